-- What was decided on one entry, now or at any moment, must not cost more for each decision on others. In the order in
-- which decisions are listed.
CREATE INDEX decision_of_entry ON decision (entry_id, decision_id);
