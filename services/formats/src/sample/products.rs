//! Goods by tariff code: what certificates are for and lines declare.

use nopic_domain::date::Date;
use nopic_domain::flags::{Flag, FlagTable};
use nopic_domain::hts::HtsCode;
use rand::RngExt;

use super::random::Draw;

/// Goods by the digits with which their codes begin; the longest that fits counts.
static GOODS: [(&str, &str); 62] = [
    ("0201", "Organic boneless beef, chilled"),
    ("0202", "Organic boneless beef, frozen"),
    ("0401", "Organic milk"),
    ("0409", "Organic honey"),
    ("0701", "Organic potatoes"),
    ("0702", "Organic tomatoes"),
    ("070310", "Organic onions"),
    ("070320", "Organic garlic"),
    ("0704", "Organic broccoli"),
    ("0707", "Organic cucumbers"),
    ("070920", "Organic asparagus"),
    ("070940", "Organic celery"),
    ("070951", "Organic mushrooms"),
    ("070960", "Organic bell peppers"),
    ("070970", "Organic spinach"),
    ("070993", "Organic squash"),
    ("0710", "Organic broccoli, frozen"),
    ("071310", "Organic yellow peas"),
    ("071320", "Organic chickpeas"),
    ("071340", "Organic lentils"),
    ("0802", "Organic nuts"),
    ("080212", "Organic almonds, shelled"),
    ("080221", "Organic hazelnuts in shell"),
    ("0803", "Organic bananas"),
    ("080410", "Organic dates"),
    ("080430", "Organic pineapple"),
    ("080440", "Organic Hass avocados"),
    ("080450", "Organic mangoes"),
    ("0805", "Organic citrus fruit"),
    ("0806", "Organic table grapes"),
    ("0807", "Organic watermelons"),
    ("080810", "Organic apples"),
    ("0808", "Organic pears"),
    ("0810", "Organic berries"),
    ("081040", "Organic blueberries"),
    ("081050", "Organic kiwifruit"),
    ("0811", "Organic frozen fruit"),
    ("090111", "Organic green coffee"),
    ("090112", "Organic green coffee, decaffeinated"),
    ("0901", "Organic roasted coffee"),
    ("0902", "Organic tea"),
    ("0910", "Organic ginger"),
    ("1001", "Organic wheat"),
    ("1003", "Organic barley"),
    ("1004", "Organic oats"),
    ("1005", "Organic yellow corn"),
    ("1006", "Organic rice"),
    ("1008", "Organic quinoa"),
    ("11", "Organic milled grain"),
    ("1201", "Organic soybeans"),
    ("12", "Organic seeds"),
    ("1509", "Organic olive oil"),
    ("1512", "Organic sunflower oil"),
    ("1513", "Organic coconut oil"),
    ("1701", "Organic cane sugar"),
    ("1702", "Organic syrup"),
    ("1801", "Organic cocoa beans"),
    ("20", "Organic prepared fruit"),
    ("2202", "Organic drinks"),
    ("2204", "Organic wine"),
    ("23", "Organic soybean meal"),
    ("35", "Organic pea protein"),
];

/// Codes that CBP's tariff flags AM7 (DOMAIN §8.3): conventional lines that may be organic.
pub(super) static AM7: [(&str, &str); 10] = [
    ("0101210010", "Horses"),
    ("0302110010", "Trout"),
    ("0401100000", "Milk"),
    ("0603190113", "Cut flowers"),
    ("0802210000", "Hazelnuts in shell"),
    ("1701120500", "Beet sugar"),
    ("2001100000", "Pickles"),
    ("3301120000", "Orange oil"),
    ("3401111000", "Castile soap"),
    ("5201000500", "Cotton"),
];

/// Codes without a flag of AMS.
pub(super) static UNFLAGGED: [(&str, &str); 5] = [
    ("0901110025", "Green coffee"),
    ("8471300100", "Portable computers"),
    ("6109100012", "T-shirts of cotton"),
    ("4202210000", "Handbags of leather"),
    ("9403608081", "Wooden furniture"),
];

/// What a code stands for, in words of the trade.
pub(super) fn name(code: &HtsCode) -> &'static str {
    GOODS
        .iter()
        .filter(|(digits, _)| code.as_str().starts_with(digits))
        .max_by_key(|(digits, _)| digits.len())
        .map_or("Organic goods", |(_, name)| name)
}

/// One of the goods, for the product texts of operations.
pub(super) fn any_name(rng: &mut impl RngExt) -> &'static str {
    let (_, name) = rng.one_of(&GOODS);
    name.strip_prefix("Organic ").unwrap_or(name)
}

/// The codes that certificates are for.
#[derive(Debug)]
pub(super) struct Catalogue {
    table: FlagTable,
    codes: Vec<HtsCode>,
}

impl Catalogue {
    pub(super) fn new() -> Self {
        let table = FlagTable::shipped();
        let codes = table.flagged().map(|(code, _)| *code).collect();
        Self { table, codes }
    }

    pub(super) fn table(&self) -> &FlagTable {
        &self.table
    }

    /// A code that is AM8 on both days.
    pub(super) fn am8(&self, rng: &mut impl RngExt, first: Date, last: Date) -> HtsCode {
        let is_am8 = |code: &HtsCode| {
            [first, last].map(|day| self.table.flag_on(code, day)) == [Some(Flag::Am8), Some(Flag::Am8)]
        };
        let start = rng.random_range(0..self.codes.len());
        let (before, after) = self.codes.split_at(start);
        let mut found = after.iter().chain(before).filter(|code| is_am8(code));
        // Most of the shipped codes have been AM8 since long before any day of the sample.
        found.next().copied().unwrap_or(self.codes[start])
    }
}
