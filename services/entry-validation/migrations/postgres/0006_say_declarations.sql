-- What a line declares, and whether it has a valid certificate; absent for what rules before version 2 decided.
ALTER TABLE decision ADD COLUMN declaration TEXT CHECK (declaration IN ('ORGANIC', 'DISCLAIMED', 'NONE'));
ALTER TABLE decision ADD COLUMN has_valid_certificate BOOLEAN;
