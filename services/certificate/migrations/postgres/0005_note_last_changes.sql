-- When a version or a draw of the certificate was last recorded or ended, in microseconds since 1970: what is recorded
-- next is not before it, whatever the clock does. 0: never noted.
ALTER TABLE certificate ADD COLUMN changed_micros BIGINT NOT NULL DEFAULT 0;
UPDATE certificate SET changed_micros = CAST(CEIL(EXTRACT(EPOCH FROM GREATEST(
    (SELECT MAX(v.recorded_at) FROM certificate_version v WHERE v.certificate = certificate.certificate),
    (SELECT MAX(GREATEST(d.recorded_at, d.ended_at)) FROM draw d WHERE d.certificate = certificate.certificate)
)) * 1000000) AS BIGINT)
WHERE EXISTS (SELECT 1 FROM certificate_version v WHERE v.certificate = certificate.certificate);
