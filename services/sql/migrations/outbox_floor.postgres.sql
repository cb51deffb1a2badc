-- Behind which position the outbox is whole: what was before it is gone.
CREATE TABLE outbox_floor (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    transaction_id BIGINT NOT NULL,
    outbox_id BIGINT NOT NULL
);
INSERT INTO outbox_floor (transaction_id, outbox_id) VALUES (0, 0);

-- One tenant's messages in their order.
CREATE INDEX outbox_by_tenant ON outbox (tenant, transaction_id, outbox_id);
