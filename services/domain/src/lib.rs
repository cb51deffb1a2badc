//! The pure part of nopic: what an entry line, a certificate and an operation are, and what follows from them.
//!
//! Nothing here reads a clock or does I/O. Readers of files are in `nopic-formats`; services load what a decision
//! needs and call it.
//!
//! # Words
//!
//! One word for one thing, in code, tables, messages and metrics.
//!
//! ## Of the trade
//!
//! | word | is |
//! |---|---|
//! | entry | what a broker files with CBP for one arrival of goods: filer code, seven digits, check digit ([`identifier::EntryNumber`]) |
//! | entry line, PGA line | one tariff line of an entry; a part of it that has agency data of its own ([`entry::EntryLine`]) |
//! | filer code | the three characters by which CBP knows a broker; an entry number begins with it |
//! | importer of record | who is liable to CBP, by CBP's number; a *link* says which operation it is |
//! | ABI, CATAIR | the broker's line to CBP, and the chapters that lay out its records |
//! | message set | the organic data of a line: `OR1` with a paper certificate, `OR2` with an electronic one, or none |
//! | disclaimer | the letter by which a broker says that a flagged line is not organic |
//! | declaration | what a line says of its goods: organic, disclaimed, or neither ([`entry::Declaration`]) |
//! | article set | goods that CBP takes as one: a header line (X), which takes no agency data, and its components (V) |
//! | flag | what CBP's tariff says of a code: AM7, organic data may be required, or AM8, they are ([`flags::Flag`]) |
//! | NOP, AMS, OID | the National Organic Program; the agency that runs it; its Organic INTEGRITY Database |
//! | operation | a certified farm or business, by its NOP ID of ten digits ([`identifier::NopId`]) |
//! | certifier | who certifies operations and issues certificates, by the first three digits of their ids |
//! | certificate | the NOP Import Certificate of a shipment, of several or of a time frame ([`certificate::Certificate`]) |
//! | special code | what is filed in place of a certificate number, such as `333-550-R` ([`policy::SpecialCode`]) |
//! | disposition | what becomes of goods that cannot enter as organic: re-export, donation, destruction |
//! | scope | what an operation is certified for: crops, livestock, wild crops, handling ([`registry::Scope`]) |
//! | arrangement | a trade agreement under which operations abroad need not be in OID |
//! | Emergency Action Notice | CBP's or APHIS's order to treat, return or destroy goods |
//!
//! ## Ours
//!
//! | word | is |
//! |---|---|
//! | registry | our mirror of OID |
//! | snapshot | one publication of OID; a full one lists every operation, a partial one some |
//! | revision | a state of the registry after an import, by its number; old ones stay readable |
//! | observation, timeline | what one snapshot says of an operation; the status on every date that follows ([`registry::Timeline`]) |
//! | shard | one of 256 parts of the registry's timelines, as the status cache holds them |
//! | draw | the weight that a line takes from a certificate ([`certificate::Draw`]) |
//! | ledger | the draws on certificates and what may still be drawn ([`mod@ledger`]) |
//! | limit, tolerance, excess | the most that may be drawn: the total and a share of it; what a permitted draw lies past it |
//! | request, stage, step | an exporter's wish for a certificate; where it stands; what is done to it ([`mod@lifecycle`]) |
//! | check | what is looked up about a request before a certifier approves it ([`lifecycle::check::Check`]) |
//! | policy, phase | the rules' dates, severities and sentences as data; a span of entry dates with the same severities |
//! | finding | one thing found about a line: code, severity, field, details ([`finding::Finding`]) |
//! | outcome | what becomes of a line: accept, warn, reject, indeterminate ([`rules::Outcome`]) |
//! | judgement, verdict | what the rules say of a line; the same with the evidence it rests on |
//! | evidence | versions of all that a verdict rests on |
//! | remedy | what may be done about a rejected line ([`policy::Remedy`]) |
//! | pre-check, filing | validation that records nothing; one request to record entries |
//! | decision | a verdict on record, with its inputs by value |
//! | notice, to-do | what people are told, whatever carries it ([`notice::Notice`]); who must do what, by when |
//! | trail, gap | who grew, handled, moved and owned the goods of an entry, by which documents; what it lacks ([`trail`]) |
//! | reject | a record of a file that could not be read, and why; its neighbours are read all the same |
//! | case, ladder | what an importer's findings bring upon it; its steps: two letters that warn, a notice, a referral ([`enforcement`]) |
//! | principal, tenant, role | who calls; for which customer; what it may do ([`principal`]) |

#[macro_use]
mod as_text;
#[macro_use]
mod words;

pub mod certificate;
pub mod date;
pub mod decision;
mod digest;
pub mod enforcement;
pub mod entry;
pub mod finding;
pub mod flags;
pub mod hts;
pub mod identifier;
pub mod ledger;
pub mod lifecycle;
pub mod notice;
pub mod policy;
pub mod principal;
pub mod registry;
pub mod rules;
pub mod text;
pub mod trail;
pub mod weight;
