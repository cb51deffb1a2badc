//! The names of an entry line's fields (FORMATS §3), shared by JSON lines and CSV.

use nopic_domain::entry::{EntryLine, Treatment};

/// Defines fields by their names: the one in lowerCamelCase, then the one in snake_case where it is another.
macro_rules! fields {
    (
        $(#[$of_all:meta])*
        $fields:ident { $($field:ident = $name:literal $(| $other:literal)?,)+ }
    ) => {
        $(#[$of_all])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum $fields {
            $($field),+
        }

        impl $fields {
            /// Every one in the order of FORMATS §3.
            pub(crate) const ALL: [Self; [$(Self::$field),+].len()] = [$(Self::$field),+];

            /// The one of that name, in either spelling.
            #[inline]
            pub(crate) fn of(name: &[u8]) -> Option<Self> {
                match name {
                    $($name $(| $other)? => Some(Self::$field),)+
                    _ => None,
                }
            }

            /// The name in lowerCamelCase.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => const { ascii($name) }),+
                }
            }

            /// Its bit in a set of them.
            pub(crate) const fn bit(self) -> u32 {
                1 << (self as u8)
            }
        }
    };
}

const fn ascii(name: &'static [u8]) -> &'static str {
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => panic!("names are ASCII"),
    }
}

fields! {
    /// A field of an entry line.
    Field {
        EntryNumber = b"entryNumber" | b"entry_number",
        EntryAction = b"entryAction" | b"entry_action",
        LineNumber = b"lineNumber" | b"line_number",
        PgaLineNumber = b"pgaLineNumber" | b"pga_line_number",
        EntryDate = b"entryDate" | b"entry_date",
        ImportationDate = b"importationDate" | b"importation_date",
        ArrivalDate = b"arrivalDate" | b"arrival_date",
        ExportDate = b"exportDate" | b"export_date",
        ImporterOfRecord = b"importerOfRecord" | b"importer_of_record",
        ImporterNopId = b"importerNopId" | b"importer_nop_id",
        ExporterNopId = b"exporterNopId" | b"exporter_nop_id",
        HtsCode = b"htsCode" | b"hts_code",
        ArticleSet = b"articleSet" | b"article_set",
        Description = b"description",
        OrganicClaim = b"organicClaim" | b"organic_claim",
        MessageSet = b"messageSet" | b"message_set",
        DisclaimerCode = b"disclaimerCode" | b"disclaimer_code",
        CertificateNumber = b"certificateNumber" | b"certificate_number",
        FurtherCertificateNumbers = b"furtherCertificateNumbers" | b"further_certificate_numbers",
        NetWeightKg = b"netWeightKg" | b"net_weight_kg",
        Lots = b"lots",
        CountryOfOrigin = b"countryOfOrigin" | b"country_of_origin",
        CountryOfExport = b"countryOfExport" | b"country_of_export",
        PortOfEntry = b"portOfEntry" | b"port_of_entry",
        Disposition = b"disposition",
        Treatment = b"treatment",
    }
}

/// The fields that are a text or absent, as they are filed.
macro_rules! text_fields {
    ($($field:ident $place:ident,)+) => {
        impl Field {
            /// That text of a line; none for a field of another type.
            pub(crate) fn text_of(self, line: &EntryLine) -> Option<&str> {
                match self {
                    $(Self::$field => line.$place.as_deref(),)+
                    _ => None,
                }
            }

            /// The place of that text in a line; none for a field of another type.
            #[inline]
            pub(crate) fn text_in(self, line: &mut EntryLine) -> Option<&mut Option<String>> {
                match self {
                    $(Self::$field => Some(&mut line.$place),)+
                    _ => None,
                }
            }
        }
    };
}

text_fields! {
    EntryAction entry_action,
    EntryDate entry_date,
    ImportationDate importation_date,
    ArrivalDate arrival_date,
    ExportDate export_date,
    ImporterOfRecord importer_of_record,
    ImporterNopId importer_nop_id,
    ExporterNopId exporter_nop_id,
    HtsCode hts_code,
    ArticleSet article_set,
    Description description,
    MessageSet message_set,
    DisclaimerCode disclaimer_code,
    CertificateNumber certificate_number,
    NetWeightKg net_weight_kg,
    CountryOfOrigin country_of_origin,
    CountryOfExport country_of_export,
    PortOfEntry port_of_entry,
    Disposition disposition,
}

fields! {
    /// A statement of the treatment.
    TreatmentField {
        Verified = b"verified",
        ProhibitedSubstance = b"prohibitedSubstance" | b"prohibited_substance",
        Irradiated = b"irradiated",
        EmergencyActionNotice = b"emergencyActionNotice" | b"emergency_action_notice",
    }
}

impl TreatmentField {
    /// Where that statement stands in a treatment.
    pub(crate) fn of_treatment(self, treatment: &mut Treatment) -> &mut Option<bool> {
        match self {
            Self::Verified => &mut treatment.verified,
            Self::ProhibitedSubstance => &mut treatment.prohibited_substance,
            Self::Irradiated => &mut treatment.irradiated,
            Self::EmergencyActionNotice => &mut treatment.emergency_action_notice,
        }
    }
}

impl Field {
    /// Whether it is one of the four dates.
    pub(crate) const fn is_date(self) -> bool {
        matches!(
            self,
            Self::EntryDate | Self::ImportationDate | Self::ArrivalDate | Self::ExportDate
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::nearest;

    #[test]
    fn every_field_has_its_names() {
        for field in Field::ALL {
            assert_eq!(Field::of(field.name().as_bytes()), Some(field));
            let snake: String = field
                .name()
                .chars()
                .flat_map(|c| {
                    c.is_uppercase()
                        .then_some('_')
                        .into_iter()
                        .chain(c.to_lowercase())
                })
                .collect();
            assert_eq!(Field::of(snake.as_bytes()), Some(field), "{snake}");
        }
        for field in TreatmentField::ALL {
            assert_eq!(TreatmentField::of(field.name().as_bytes()), Some(field));
        }
    }

    #[test]
    fn a_slip_finds_its_name() {
        let names = || Field::ALL.into_iter().map(Field::name);
        assert_eq!(nearest("htscode", names()), Some("htsCode"));
        assert_eq!(nearest("HTS Code", names()), Some("htsCode"));
        assert_eq!(nearest("importerNopID", names()), Some("importerNopId"));
        assert_eq!(nearest("netWieghtKg", names()), Some("netWeightKg"));
        assert_eq!(nearest("colour", names()), None);
    }
}
