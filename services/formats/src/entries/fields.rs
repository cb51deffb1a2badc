//! The names of an entry line's fields (FORMATS §3), shared by JSON lines and CSV.

/// A field of an entry line; the discriminants number the bits of a set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Field {
    EntryNumber,
    EntryAction,
    LineNumber,
    PgaLineNumber,
    EntryDate,
    ExportDate,
    ImporterOfRecord,
    ImporterNopId,
    ExporterNopId,
    HtsCode,
    Description,
    OrganicClaim,
    MessageSet,
    DisclaimerCode,
    CertificateNumber,
    NetWeightKg,
    Lots,
    CountryOfOrigin,
    CountryOfExport,
    PortOfEntry,
    Disposition,
    Treatment,
}

impl Field {
    /// Every field in the order of FORMATS §3.
    pub(crate) const ALL: [Self; 22] = [
        Self::EntryNumber,
        Self::EntryAction,
        Self::LineNumber,
        Self::PgaLineNumber,
        Self::EntryDate,
        Self::ExportDate,
        Self::ImporterOfRecord,
        Self::ImporterNopId,
        Self::ExporterNopId,
        Self::HtsCode,
        Self::Description,
        Self::OrganicClaim,
        Self::MessageSet,
        Self::DisclaimerCode,
        Self::CertificateNumber,
        Self::NetWeightKg,
        Self::Lots,
        Self::CountryOfOrigin,
        Self::CountryOfExport,
        Self::PortOfEntry,
        Self::Disposition,
        Self::Treatment,
    ];

    /// The field of that name, in either spelling.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"entryNumber" | b"entry_number" => Self::EntryNumber,
            b"entryAction" | b"entry_action" => Self::EntryAction,
            b"lineNumber" | b"line_number" => Self::LineNumber,
            b"pgaLineNumber" | b"pga_line_number" => Self::PgaLineNumber,
            b"entryDate" | b"entry_date" => Self::EntryDate,
            b"exportDate" | b"export_date" => Self::ExportDate,
            b"importerOfRecord" | b"importer_of_record" => Self::ImporterOfRecord,
            b"importerNopId" | b"importer_nop_id" => Self::ImporterNopId,
            b"exporterNopId" | b"exporter_nop_id" => Self::ExporterNopId,
            b"htsCode" | b"hts_code" => Self::HtsCode,
            b"description" => Self::Description,
            b"organicClaim" | b"organic_claim" => Self::OrganicClaim,
            b"messageSet" | b"message_set" => Self::MessageSet,
            b"disclaimerCode" | b"disclaimer_code" => Self::DisclaimerCode,
            b"certificateNumber" | b"certificate_number" => Self::CertificateNumber,
            b"netWeightKg" | b"net_weight_kg" => Self::NetWeightKg,
            b"lots" => Self::Lots,
            b"countryOfOrigin" | b"country_of_origin" => Self::CountryOfOrigin,
            b"countryOfExport" | b"country_of_export" => Self::CountryOfExport,
            b"portOfEntry" | b"port_of_entry" => Self::PortOfEntry,
            b"disposition" => Self::Disposition,
            b"treatment" => Self::Treatment,
            _ => return None,
        })
    }

    /// The name in lowerCamelCase.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EntryNumber => "entryNumber",
            Self::EntryAction => "entryAction",
            Self::LineNumber => "lineNumber",
            Self::PgaLineNumber => "pgaLineNumber",
            Self::EntryDate => "entryDate",
            Self::ExportDate => "exportDate",
            Self::ImporterOfRecord => "importerOfRecord",
            Self::ImporterNopId => "importerNopId",
            Self::ExporterNopId => "exporterNopId",
            Self::HtsCode => "htsCode",
            Self::Description => "description",
            Self::OrganicClaim => "organicClaim",
            Self::MessageSet => "messageSet",
            Self::DisclaimerCode => "disclaimerCode",
            Self::CertificateNumber => "certificateNumber",
            Self::NetWeightKg => "netWeightKg",
            Self::Lots => "lots",
            Self::CountryOfOrigin => "countryOfOrigin",
            Self::CountryOfExport => "countryOfExport",
            Self::PortOfEntry => "portOfEntry",
            Self::Disposition => "disposition",
            Self::Treatment => "treatment",
        }
    }

    /// Its bit in a set of fields.
    pub(crate) const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// A statement of the treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TreatmentField {
    Verified,
    ProhibitedSubstance,
    Irradiated,
    EmergencyActionNotice,
}

impl TreatmentField {
    /// Every statement in the order of FORMATS §3.
    pub(crate) const ALL: [Self; 4] = [
        Self::Verified,
        Self::ProhibitedSubstance,
        Self::Irradiated,
        Self::EmergencyActionNotice,
    ];

    /// The statement of that name, in either spelling.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"verified" => Self::Verified,
            b"prohibitedSubstance" | b"prohibited_substance" => Self::ProhibitedSubstance,
            b"irradiated" => Self::Irradiated,
            b"emergencyActionNotice" | b"emergency_action_notice" => Self::EmergencyActionNotice,
            _ => return None,
        })
    }

    /// The name in lowerCamelCase.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::ProhibitedSubstance => "prohibitedSubstance",
            Self::Irradiated => "irradiated",
            Self::EmergencyActionNotice => "emergencyActionNotice",
        }
    }

    /// Where that statement stands in a treatment.
    pub(crate) fn of_treatment(self, treatment: &mut nopic_domain::entry::Treatment) -> &mut Option<bool> {
        match self {
            Self::Verified => &mut treatment.verified,
            Self::ProhibitedSubstance => &mut treatment.prohibited_substance,
            Self::Irradiated => &mut treatment.irradiated,
            Self::EmergencyActionNotice => &mut treatment.emergency_action_notice,
        }
    }
}

/// The known name that is nearest to an unknown one, if any is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A name of any length may stand in a file; past this none is near, and the comparison is quadratic.
    if name.len() > 64 {
        return None;
    }
    let folded: String = name
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

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
