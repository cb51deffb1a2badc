//! The technical names, and what each means to a reader.

use rustc_hash::FxHashMap;

/// The columns of the monthly snapshot, in its order and in the spelling of FORMATS.
pub const EXPORT_COLUMNS: [&str; 62] = [
    "Cert_name",
    "op_name",
    "op_otherNames",
    "op_nopOpID",
    "op_clientID",
    "op_contFirstName",
    "op_contLastName",
    "op_status",
    "op_statusEffectiveDate",
    "op_nopAnniversaryDate",
    "op_lastUpdatedDate",
    "opSC_CR",
    "opSC_CR_ED",
    "opSC_LS",
    "opSC_LS_ED",
    "opSC_WC",
    "opSC_WC_ED",
    "opSC_HANDLING",
    "opSC_HANDLING_ED",
    "opPA_line1",
    "opPA_line2",
    "opPA_city",
    "opPA_state",
    "opPA_country",
    "opPA_zip",
    "opPA_county",
    "opPA_countyCode",
    "opMA_line1",
    "opMA_line2",
    "opMA_city",
    "opMA_state",
    "opMA_country",
    "opMA_zip",
    "opMA_county",
    "opMA_countyCode",
    "op_phone",
    "op_email",
    "op_url",
    "opExtraInfo",
    "opEx_broker",
    "opEx_csa",
    "opEx_copacker",
    "opEx_dairy",
    "opEx_distributor",
    "opEx_marketerTrader",
    "opEx_restaurant",
    "opEx_retailer",
    "opEx_poultry",
    "opEx_privateLabeler",
    "opEx_slaughterHouse",
    "opEx_storage",
    "opEx_growerGroup",
    "op_certificate",
    "CR_CertifiedProducts",
    "CR_CertifiedProducts_Add",
    "LS_CertifiedProducts",
    "LS_CertifiedProducts_Add",
    "WC_CertifiedProducts",
    "WC_CertifiedProducts_Add",
    "Han_CertifiedProducts",
    "Han_CertifiedProducts_Add",
    "Pub_Date",
];

/// The names that FORMATS knows beyond those: of the other forms, and of items.
const OTHER_COLUMNS: &[&str] = &[
    "op_certifierName",
    "opCert_url",
    "ci_nopOpID",
    "ci_certNumber",
    "ci_certId",
    "ci_nopScope",
    "ci_nopCategory",
    "ci_nopCatID",
    "ci_nopCatName",
    "ci_nopItemID",
    "ci_itemList",
    "ci_varieties",
    "ci_status",
    "ci_statusEffectiveDate",
    "ci_organic100",
    "ci_organic",
    "ci_madeWithOrganic",
];

/// What a column means. `Date`s are made canonical where they can be read; the rest is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    NopId,
    Name,
    OtherNames,
    /// `op_certifierName`, which wins over `Cert_name`.
    Certifier,
    CertifierToo,
    Country,
    /// `opMA_country`, where there is no `opPA_country`.
    CountryToo,
    Status,
    StatusDate,
    /// Index in `Scope::ALL`.
    Scope(usize),
    ScopeDate(usize),
    Date,
    PubDate,
    Text,
}

fn role(name: &str) -> Role {
    match name {
        "op_nopOpID" | "ci_nopOpID" => Role::NopId,
        "op_name" => Role::Name,
        "op_otherNames" => Role::OtherNames,
        "op_certifierName" => Role::Certifier,
        "Cert_name" => Role::CertifierToo,
        "opPA_country" => Role::Country,
        "opMA_country" => Role::CountryToo,
        "op_status" => Role::Status,
        "op_statusEffectiveDate" => Role::StatusDate,
        "opSC_CR" => Role::Scope(0),
        "opSC_LS" => Role::Scope(1),
        "opSC_WC" => Role::Scope(2),
        "opSC_HANDLING" => Role::Scope(3),
        "opSC_CR_ED" => Role::ScopeDate(0),
        "opSC_LS_ED" => Role::ScopeDate(1),
        "opSC_WC_ED" => Role::ScopeDate(2),
        "opSC_HANDLING_ED" => Role::ScopeDate(3),
        "op_nopAnniversaryDate" | "op_lastUpdatedDate" | "ci_statusEffectiveDate" => Role::Date,
        "Pub_Date" => Role::PubDate,
        _ if ends_with_ed(name) => Role::Date,
        _ => Role::Text,
    }
}

/// Whether a name ends in `_ED`: an effective date.
fn ends_with_ed(name: &str) -> bool {
    name.as_bytes()
        .last_chunk::<3>()
        .is_some_and(|end| end.eq_ignore_ascii_case(b"_ED"))
}

/// The spelling of FORMATS for a name that it knows, without regard to case. Others are kept as they are.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    EXPORT_COLUMNS
        .iter()
        .chain(OTHER_COLUMNS)
        .copied()
        .find(|known| known.eq_ignore_ascii_case(name))
}

/// One technical name.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: Box<str>,
    pub(crate) role: Role,
}

/// The technical names of one list, in the order in which they were met.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    list: Vec<Column>,
    /// Positions in `list`, by rising names: the order of [`super::Fields`].
    sorted: Vec<usize>,
    /// By the name as it was met, so that a name costs one look-up once it is known.
    by_spelling: FxHashMap<Box<[u8]>, usize>,
}

/// The most technical names that one list may have; the database has about 80.
pub(crate) const MOST_COLUMNS: usize = 4_096;

/// How many names a message lists.
const NAMED: usize = 20;

impl Columns {
    /// Position of the name, which becomes the last if it is new. `None`: there are too many.
    pub(crate) fn position(&mut self, name: &str) -> Option<usize> {
        if let Some(position) = self.by_spelling.get(name.as_bytes()) {
            return Some(*position);
        }
        if self.by_spelling.len() >= MOST_COLUMNS {
            return None;
        }
        let clean = super::fields::printable(name.trim());
        let position = match self
            .list
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(&clean))
        {
            Some(position) => position,
            None => {
                let canonical = known(&clean).unwrap_or(&clean);
                self.list.push(Column {
                    name: canonical.into(),
                    role: role(canonical),
                });
                let position = self.list.len() - 1;
                let after = self
                    .sorted
                    .partition_point(|other| *self.list[*other].name < *canonical);
                self.sorted.insert(after, position);
                position
            }
        };
        self.by_spelling.insert(name.as_bytes().into(), position);
        Some(position)
    }

    /// Whether the key is among them.
    pub(crate) fn has_key(&self) -> bool {
        self.list.iter().any(|column| column.role == Role::NopId)
    }

    /// The first of the names, for a message.
    pub(crate) fn named(&self) -> String {
        let mut named: Vec<String> = self
            .list
            .iter()
            .take(NAMED)
            .map(|column| crate::reject::shown(&column.name))
            .collect();
        if self.list.len() > NAMED {
            named.push(format!("and {} more", self.list.len() - NAMED));
        }
        if named.is_empty() {
            named.push("none".to_owned());
        }
        named.join(", ")
    }

    /// The columns in the order in which they were met.
    pub(crate) fn list(&self) -> &[Column] {
        &self.list
    }

    /// The columns by rising names, each with its position.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.sorted
            .iter()
            .map(|position| (*position, &self.list[*position]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_keep_the_spelling_of_the_formats() {
        let mut columns = Columns::default();
        assert_eq!(columns.position(" OP_NOPOPID "), Some(0));
        assert_eq!(columns.position("op_custom"), Some(1));
        assert_eq!(columns.position("op_nopOpID"), Some(0));
        assert_eq!(columns.position("OP_CUSTOM"), Some(1));
        assert_eq!(columns.position("Xx_ED"), Some(2));
        let names: Vec<&str> = columns.sorted().map(|(_, column)| &*column.name).collect();
        assert_eq!(names, ["Xx_ED", "op_custom", "op_nopOpID"]);
        assert_eq!(columns.list()[2].role, Role::Date);
    }
}
