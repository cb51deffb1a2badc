-- When a version or a draw of the certificate was last recorded or ended, in microseconds since 1970: what is recorded
-- next is not before it, whatever the clock does. 0: never noted.
ALTER TABLE certificate ADD COLUMN changed_micros INTEGER NOT NULL DEFAULT 0;
-- A day's fraction is exact to less than a millisecond, which is added.
UPDATE certificate SET changed_micros = 1000 + CAST((julianday(MAX(
    (SELECT MAX(v.recorded_at) FROM certificate_version v WHERE v.certificate = certificate.certificate),
    COALESCE((SELECT MAX(MAX(d.recorded_at, COALESCE(d.ended_at, ''))) FROM draw d
        WHERE d.certificate = certificate.certificate), '')
)) - 2440587.5) * 86400000000.0 AS INTEGER)
WHERE EXISTS (SELECT 1 FROM certificate_version v WHERE v.certificate = certificate.certificate);
