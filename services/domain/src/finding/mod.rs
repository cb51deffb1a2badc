//! What can be found about a line: codes, severities, and one finding.

mod detail;

pub use detail::{Detail, Details, Filed, FiledList, Problem, Suggestion};

words! {
    /// How bad a finding is in the phase of its line. Ordered from harmless to decisive.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Severity {
        /// Good to know.
        Info = "INFO",
        /// To be looked at; the line can be filed.
        Warning = "WARNING",
        /// Not known: never a yes.
        Indeterminate = "INDETERMINATE",
        /// The line cannot be filed as organic.
        Reject = "REJECT",
    }
}

impl Severity {
    /// The letter of the policy file.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        match letter {
            "I" => Some(Self::Info),
            "W" => Some(Self::Warning),
            "?" => Some(Self::Indeterminate),
            "R" => Some(Self::Reject),
            _ => None,
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal [$($placeholder:literal),*],)*) => {
        words! {
            /// What is found, in the order in which the rules look (RULES.md). Stable: brokers build on the names.
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[repr(u8)]
            pub enum Code {
                $($(#[$doc])* $variant = $name,)*
            }
        }

        impl Code {
            /// The details that the code's sentence in the policy may name in braces.
            #[must_use]
            pub const fn placeholders(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($placeholder),*],)*
                }
            }
        }
    };
}

codes! {
    /// Not filer code, 7 digits and the right check digit.
    EntryNumberInvalid = "ENTRY_NUMBER_INVALID" ["value"],
    /// A field cannot be what it says.
    LineInvalid = "LINE_INVALID" ["problem"],
    /// Another date stands for the entry date.
    EntryDateAssumed = "ENTRY_DATE_ASSUMED" ["date", "field"],
    /// The entry date of a line on record is far from the day of filing.
    EntryDateImplausible = "ENTRY_DATE_IMPLAUSIBLE" ["date", "filed", "days", "side"],
    /// No tariff table that is held names the code.
    HtsNotInTariff = "HTS_NOT_IN_TARIFF" ["hts", "report"],
    /// A disclaimer code that AMS does not take.
    DisclaimerInvalid = "DISCLAIMER_INVALID" ["value"],
    /// Disclaimed on a tariff line that is certified organic.
    DisclaimerNotAllowed = "DISCLAIMER_NOT_ALLOWED" ["hts", "date"],
    /// Disclaimed, yet claimed to be organic.
    DisclaimerContradictsClaim = "DISCLAIMER_CONTRADICTS_CLAIM" [],
    /// No organic message set where one must be.
    PgaDataMissing = "PGA_DATA_MISSING" ["hts", "date", "why"],
    /// No organic message set where one may be needed.
    PgaDataMayBeRequired = "PGA_DATA_MAY_BE_REQUIRED" ["hts", "date"],
    /// Agency data on the header line of an article set.
    PgaDataNotAllowed = "PGA_DATA_NOT_ALLOWED" [],
    /// More than one certificate on one line.
    CertificateSeveral = "CERTIFICATE_SEVERAL" ["first", "others"],
    /// A dash of another kind was read as `-`.
    CertificateNumberNormalised = "CERTIFICATE_NUMBER_NORMALISED" ["value", "number"],
    /// No certificate number.
    CertificateNumberMissing = "CERTIFICATE_NUMBER_MISSING" [],
    /// The number of a draft.
    CertificateNumberDraft = "CERTIFICATE_NUMBER_DRAFT" ["value"],
    /// The temporary code, once tolerated.
    TemporaryCode = "TEMPORARY_CODE" ["value"],
    /// American goods returned.
    SpecialCodeReturnedGoods = "SPECIAL_CODE_RETURNED_GOODS" ["value"],
    /// Goods without certificate, to be disposed of.
    SpecialCodeDisposition = "SPECIAL_CODE_DISPOSITION" ["value"],
    /// A special code that exempts the line.
    SpecialCodeAccepted = "SPECIAL_CODE_ACCEPTED" ["value"],
    /// A special code outside its dates.
    SpecialCodeNotInForce = "SPECIAL_CODE_NOT_IN_FORCE" ["value", "period", "date"],
    /// The shape of a special code, but not a known one.
    SpecialCodeUnknown = "SPECIAL_CODE_UNKNOWN" ["value"],
    /// A NOP operation ID in place of a certificate number.
    CertificateNumberIsOperationId = "CERTIFICATE_NUMBER_IS_OPERATION_ID" ["value"],
    /// A manually made certificate.
    PaperCertificate = "PAPER_CERTIFICATE" ["value"],
    /// Not a certificate number.
    CertificateNumberMalformed = "CERTIFICATE_NUMBER_MALFORMED" ["value", "suggestion"],
    /// The number does not go with the message set.
    WrongMessageSet = "WRONG_MESSAGE_SET" ["value", "expected", "found"],
    /// Returned American goods of another origin.
    ReturnedGoodsOrigin = "RETURNED_GOODS_ORIGIN" ["origin"],
    /// Not said what becomes of the goods.
    DispositionMissing = "DISPOSITION_MISSING" [],
    /// Reconditioning is no longer a way out.
    ReconditioningNotAllowed = "RECONDITIONING_NOT_ALLOWED" ["date", "until"],
    /// Only a certified importer may donate.
    DonationNeedsCertifiedImporter = "DONATION_NEEDS_CERTIFIED_IMPORTER" ["importer", "date"],
    /// The certificate cannot be read now.
    CertificateUnavailable = "CERTIFICATE_UNAVAILABLE" ["number"],
    /// No such certificate is known.
    CertificateNotFound = "CERTIFICATE_NOT_FOUND" ["number", "coverage"],
    /// The certificate was not issued.
    CertificateNotIssued = "CERTIFICATE_NOT_ISSUED" ["number", "status"],
    /// The certificate was withdrawn.
    CertificateVoided = "CERTIFICATE_VOIDED" ["number"],
    /// Another certificate replaced it.
    CertificateSuperseded = "CERTIFICATE_SUPERSEDED" ["number", "successor"],
    /// The parts of the number differ from what the certificate states.
    CertificateNumberInconsistent = "CERTIFICATE_NUMBER_INCONSISTENT" ["number", "certifier", "exporter"],
    /// Before the first day of validity.
    CertificateNotYetValid = "CERTIFICATE_NOT_YET_VALID" ["number", "from", "date"],
    /// After the last day of validity.
    CertificateExpired = "CERTIFICATE_EXPIRED" ["number", "to", "date"],
    /// Issued after the goods left.
    CertificateIssuedAfterExport = "CERTIFICATE_ISSUED_AFTER_EXPORT" ["number", "issued", "date"],
    /// Another tariff subheading.
    CertificateHtsMismatch = "CERTIFICATE_HTS_MISMATCH" ["number", "expected", "found"],
    /// Another tariff code of the same subheading.
    CertificateHtsSuffixDiffers = "CERTIFICATE_HTS_SUFFIX_DIFFERS" ["number", "expected", "found"],
    /// Another importer.
    CertificateImporterMismatch = "CERTIFICATE_IMPORTER_MISMATCH" ["number", "expected", "found"],
    /// Another exporter.
    CertificateExporterMismatch = "CERTIFICATE_EXPORTER_MISMATCH" ["number", "expected", "found"],
    /// Another country of origin.
    CertificateOriginMismatch = "CERTIFICATE_ORIGIN_MISMATCH" ["number", "expected", "found"],
    /// A lot that the certificate does not list.
    CertificateLotUnknown = "CERTIFICATE_LOT_UNKNOWN" ["number", "lots"],
    /// A single-shipment certificate that another entry used.
    CertificateAlreadyUsed = "CERTIFICATE_ALREADY_USED" ["number", "entry"],
    /// No net weight.
    WeightMissing = "WEIGHT_MISSING" ["number"],
    /// More than the certificate has left.
    CertificateQuantityExceeded = "CERTIFICATE_QUANTITY_EXCEEDED" ["number", "weight", "left"],
    /// The certificate's importer was taken for the line's.
    ImporterAssumed = "IMPORTER_ASSUMED" ["importer", "number"],
    /// No importer is known.
    ImporterUnresolved = "IMPORTER_UNRESOLVED" [],
    /// The registry cannot be read now.
    RegistryUnavailable = "REGISTRY_UNAVAILABLE" [],
    /// The importer is not in the registry.
    ImporterNotListed = "IMPORTER_NOT_LISTED" ["importer", "date"],
    /// The importer is listed, but not certified.
    ImporterNotCertified = "IMPORTER_NOT_CERTIFIED" ["importer", "status", "date"],
    /// No snapshot says anything about the importer's status on the date.
    ImporterStatusUnknown = "IMPORTER_STATUS_UNKNOWN" ["importer", "date"],
    /// The importer has no certified handling scope.
    ImporterNotAHandler = "IMPORTER_NOT_A_HANDLER" ["importer", "date"],
    /// The exporter is not in the registry, but its country has an arrangement.
    ExporterNotVerifiable = "EXPORTER_NOT_VERIFIABLE" ["exporter", "country", "date"],
    /// The exporter is not in the registry.
    ExporterNotListed = "EXPORTER_NOT_LISTED" ["exporter", "date"],
    /// The exporter is listed, but not certified.
    ExporterNotCertified = "EXPORTER_NOT_CERTIFIED" ["exporter", "status", "date"],
    /// No snapshot says anything about the exporter's status on the date.
    ExporterStatusUnknown = "EXPORTER_STATUS_UNKNOWN" ["exporter", "date"],
    /// The newest snapshot is too old.
    RegistryStale = "REGISTRY_STALE" ["published", "date", "days"],
    /// Declared organic on a tariff line without an organic flag.
    HtsNotFlagged = "HTS_NOT_FLAGGED" ["hts", "date"],
    /// A prohibited substance or radiation.
    TreatmentProhibited = "TREATMENT_PROHIBITED" ["what"],
    /// An Emergency Action Notice.
    TreatmentEmergencyAction = "TREATMENT_EMERGENCY_ACTION" [],
}

impl Code {
    /// Whether it is a finding of rules 4 or 5, about the certificate: codes stand in the order of the rules.
    #[must_use]
    pub(crate) fn is_about_certificate(self) -> bool {
        (Self::PgaDataNotAllowed..=Self::CertificateQuantityExceeded).contains(&self)
    }

    /// Whether it is a finding of rules 4 to 6, about certificate and parties.
    pub(crate) fn is_of_certificate_or_registry(self) -> bool {
        (Self::PgaDataNotAllowed..=Self::RegistryStale).contains(&self)
    }

    /// Whether the ledger decides it when a line is filed: then it is known, and a policy cannot make it unknown.
    pub(crate) const fn is_asked_of_ledger(self) -> bool {
        matches!(
            self,
            Self::CertificateQuantityExceeded | Self::CertificateAlreadyUsed
        )
    }
}

/// One thing found about a line. It holds no sentence: that is made by the policy where one is asked for
/// ([`crate::policy::Policy::message`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// How bad, in the phase of the line.
    pub severity: Severity,
    /// The field at fault where the code alone does not say it; else the policy's field for the code.
    pub field: Option<&'static str>,
    /// Values for the placeholders of the code's sentence.
    pub details: Details,
}
