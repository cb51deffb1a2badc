-- The last serial number of an operation's certificates is from here on the last one that was given here or that a row
-- of an import named, also as a successor's: such numbers are others', and never given again.
INSERT INTO certificate_serial (certifier_id, exporter_nop_id, last_serial)
SELECT CAST(SUBSTR(n.number, 1, 3) AS BIGINT), CAST(SUBSTR(n.number, 5, 10) AS BIGINT),
    MAX(CAST(SUBSTR(n.number, 16, 6) AS BIGINT))
FROM (SELECT v.content ->> 'supersededBy' AS number FROM certificate_version v) n
WHERE n.number IS NOT NULL
GROUP BY 1, 2
ON CONFLICT (certifier_id, exporter_nop_id) DO UPDATE SET last_serial =
    CASE WHEN excluded.last_serial > certificate_serial.last_serial THEN excluded.last_serial
        ELSE certificate_serial.last_serial END;
