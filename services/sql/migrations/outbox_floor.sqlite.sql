-- Behind which position the outbox is whole: what was before it is gone.
CREATE TABLE outbox_floor (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    transaction_id INTEGER NOT NULL,
    outbox_id INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_floor (only_row, transaction_id, outbox_id) VALUES (1, 0, 0);

-- One tenant's messages in their order.
CREATE INDEX outbox_by_tenant ON outbox (tenant, outbox_id);
