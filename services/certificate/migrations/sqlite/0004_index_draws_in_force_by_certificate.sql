-- Who draws on a certificate now, and what one entry drew on it, is asked all the time, and must not cost more for each
-- draw that ended, nor for those of others.
CREATE INDEX draw_in_force_by_certificate ON draw (certificate, entry_number, tenant) WHERE ended_at IS NULL;
