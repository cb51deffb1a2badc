-- Certificates in force by their last day: how many are near it is told all the time.
CREATE INDEX certificate_by_end ON certificate (valid_to) WHERE status = 'ISSUED';
