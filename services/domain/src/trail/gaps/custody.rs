//! Who held and who owned the goods, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::{GapCode, Gaps, is_about, of_lines, standing};
use crate::identifier::NopId;
use crate::trail::chain::{Span, clashes, holes};
use crate::trail::{Line, Party, Point, Recorded, Role, Step, Trail};

type Steps<'a> = Vec<&'a Recorded<Step>>;

pub(super) fn look(trail: &Trail, lines: &[&Line], gaps: &mut Gaps) {
    let steps: Steps<'_> = standing(&trail.steps).collect();
    for step in &steps {
        each_step(step, &steps, &trail.lines, gaps);
    }
    let names = Names::of(&steps);
    for (members, chain) in chains(lines, &steps) {
        let about = about(&members);
        if chain.is_empty() {
            gaps.add(
                GapCode::CustodyMissing,
                about,
                "No step of custody is on record: who produced, handled, moved and stored the goods is not known.",
                "Record the steps with `nopic entry custody`.",
            );
            continue;
        }
        parties(trail, &members, &chain, &about, gaps);
        times(&chain, &names, &about, gaps);
    }
}

/// A line, or one lot of it.
type Member<'a> = (&'a Line, Option<&'a str>);

/// Goods with the same steps are looked at once.
fn chains<'a>(lines: &[&'a Line], steps: &Steps<'a>) -> Vec<(Vec<Member<'a>>, Steps<'a>)> {
    let mut groups: BTreeMap<Vec<u64>, (Vec<Member<'a>>, Steps<'a>)> = BTreeMap::new();
    for line in lines {
        let lots: Vec<Option<&str>> = if line.lots.is_empty() {
            vec![None]
        } else {
            line.lots.iter().map(|lot| Some(lot.as_str())).collect()
        };
        let of_line: Steps<'_> = steps
            .iter()
            .copied()
            .filter(|step| is_about(&step.content.lines, line))
            .collect();
        for lot in lots {
            let chain: Steps<'_> = of_line
                .iter()
                .copied()
                .filter(|step| is_about_lot(&step.content, lot))
                .collect();
            let key = chain.iter().map(|step| step.record_id).collect();
            let group = groups.entry(key).or_insert_with(|| (Vec::new(), chain));
            group.0.push((line, lot));
        }
    }
    groups.into_values().collect()
}

fn is_about_lot(step: &Step, lot: Option<&str>) -> bool {
    // Of goods whose lots are not known, nothing can be said but that it may be theirs.
    lot.is_none_or(|lot| step.lots.is_empty() || step.lots.iter().any(|named| named.trim() == lot))
}

fn about(members: &[Member<'_>]) -> String {
    let mut lines: Vec<&Line> = members.iter().map(|(line, _)| *line).collect();
    lines.dedup_by_key(|line| (line.line_number, line.pga_line_number));
    let lots: BTreeSet<&str> = members.iter().filter_map(|(_, lot)| *lot).collect();
    let of_lines = of_lines(&lines);
    match (lines.as_slice(), lots.len()) {
        // Only where it is not all of the line.
        ([line], count) if count > 0 && count < line.lots.len() => {
            let lots: Vec<&str> = lots.into_iter().take(super::NAMED).collect();
            let more = if lots.len() < count { " and more" } else { "" };
            format!("{of_lines}, lot {}{more}", lots.join(", "))
        }
        _ => of_lines,
    }
}

/// What a step itself lacks.
fn each_step(step: &Recorded<Step>, steps: &Steps<'_>, lines: &[Line], gaps: &mut Gaps) {
    let about = || format!("record {}", step.record_id);
    let content = &step.content;
    let who = format!("the {} {}", role(content.role), content.party.name);
    let mend = "Withdraw the record and record the step with it.";
    if content.owner.is_none() {
        gaps.add(
            GapCode::OwnerMissing,
            about(),
            format!(
                "Nobody is named as owner of the goods while {who} held them ({}).",
                span(content)
            ),
            mend,
        );
    }
    if content.place.is_none() {
        gaps.add(
            GapCode::PlaceMissing,
            about(),
            format!("Where {who} held the goods is not named."),
            mend,
        );
    }
    let begins_the_chain = content.role == Role::Producer;
    let others = || steps.iter().filter(|other| other.record_id != step.record_id);
    // The last step is still under way.
    let ends_the_chain = others().all(|other| match (content.from, other.content.from) {
        (Some(own), Some(other)) => other.earliest() <= own.latest(),
        (None, _) => false,
        (Some(_), None) => true,
    });
    if (content.from.is_none() && !begins_the_chain) || (content.to.is_none() && !ends_the_chain) {
        gaps.add(
            GapCode::TimeMissing,
            about(),
            format!("It is not on record from when to when {who} held the goods."),
            mend,
        );
    }
    let unknown_line = content
        .lines
        .iter()
        .find(|number| lines.iter().all(|line| line.line_number != **number));
    // Lines without lots may be of any.
    let unknown_lot = content.lots.iter().find(|lot| {
        let mut own = lines.iter().filter(|line| is_about(&content.lines, line));
        own.all(|line| !line.lots.is_empty() && line.lots.iter().all(|known| known != lot.trim()))
    });
    let unknown = match (unknown_line, unknown_lot) {
        (Some(number), _) => format!("line {number}"),
        (None, Some(lot)) => format!("lot {lot}"),
        (None, None) => return,
    };
    gaps.add(
        GapCode::RecordOfNothing,
        about(),
        format!("The step of {who} is about {unknown}, which the entry does not have."),
        "Withdraw the record, or amend the entry.",
    );
}

/// Who must be among the steps.
fn parties(trail: &Trail, members: &[Member<'_>], chain: &Steps<'_>, about: &str, gaps: &mut Gaps) {
    let has_role = |role: Role| chain.iter().any(|step| step.content.role == role);
    let has = |id: NopId| {
        let is = |party: &Party| party.nop_id == Some(id);
        chain
            .iter()
            .any(|step| is(&step.content.party) || step.content.owner.as_ref().is_some_and(is))
    };
    if !has_role(Role::Producer) {
        gaps.add(
            GapCode::ProducerMissing,
            about.to_owned(),
            "The steps do not begin with a producer.",
            "Record who grew or gathered the goods.",
        );
    }
    let mut handlers = BTreeSet::new();
    let mut importers = BTreeSet::new();
    for (line, _) in members {
        let certificate = trail.certificate_of(line);
        handlers.extend(certificate.and_then(|certificate| certificate.final_handler_nop_id));
        importers.extend(trail.importer_of(line));
    }
    for handler in handlers.into_iter().filter(|handler| !has(*handler)) {
        gaps.add(
            GapCode::FinalHandlerMissing,
            about.to_owned(),
            format!("The certificate names the final handler {handler}, whom no step names."),
            "Record the step of the final handler with its NOP ID.",
        );
    }
    if !has_role(Role::Importer) && !importers.iter().any(|importer| has(*importer)) {
        gaps.add(
            GapCode::ImporterNotReached,
            about.to_owned(),
            "No step says that the importer held or owned the goods.",
            "Record when and where the importer accepted them.",
        );
    }
}

/// From when to when somebody, and only one, held and owned the goods.
fn times(chain: &Steps<'_>, names: &Names<'_>, about: &str, gaps: &mut Gaps) {
    let spans = |party: &dyn Fn(&Step) -> Option<Party>| -> Vec<(Option<Point>, Option<Point>, String)> {
        chain
            .iter()
            .filter_map(|step| {
                let who = names.key(&party(&step.content)?);
                Some((step.content.from, step.content.to, who))
            })
            .collect()
    };
    let held = spans(&|step| Some(step.party.clone()));
    let owned = spans(&|step| step.owner.clone());
    for (from, to) in holes(&of(&held)) {
        gaps.add(
            GapCode::CustodyGap,
            about.to_owned(),
            format!(
                "From {} to {} nobody is on record as holding the goods.",
                Point::Moment(from),
                Point::Moment(to)
            ),
            "Record who held them, or mend the times of the steps before and after.",
        );
    }
    for (code, what, spans) in [
        (GapCode::CustodyContradicted, "held", &held),
        (GapCode::OwnershipContradicted, "owned", &owned),
    ] {
        for clash in clashes(&of(spans)) {
            let parties: Vec<&str> = clash.parties.iter().map(|key| names.name(key)).collect();
            gaps.add(
                code,
                about.to_owned(),
                format!(
                    "From {} to {} {} are each on record as having {what} the same goods.",
                    Point::Moment(clash.from),
                    Point::Moment(clash.to),
                    parties.join(" and ")
                ),
                "Withdraw what is wrong, or name the lines and lots of each step.",
            );
        }
    }
}

fn of(spans: &[(Option<Point>, Option<Point>, String)]) -> Vec<Span<'_>> {
    spans
        .iter()
        .map(|(from, to, who)| Span {
            from: *from,
            to: *to,
            who,
        })
        .collect()
}

fn span(step: &Step) -> String {
    let text = |point: Option<Point>| point.map_or_else(|| "?".to_owned(), |point| point.to_string());
    format!("{} to {}", text(step.from), text(step.to))
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Handler => "handler",
        Role::Exporter => "exporter",
        Role::Carrier => "carrier",
        Role::Warehouse => "warehouse",
        Role::Importer => "importer",
        Role::Other => "party",
    }
}

/// Tells parties apart: by NOP ID, also where only another step gives it, else by name.
struct Names<'a> {
    /// NOP IDs by name.
    ids: BTreeMap<String, NopId>,
    /// A name for each key.
    names: BTreeMap<String, &'a str>,
}

impl<'a> Names<'a> {
    fn of(steps: &Steps<'a>) -> Self {
        let parties = || {
            steps
                .iter()
                .flat_map(|step| [Some(&step.content.party), step.content.owner.as_ref()])
                .flatten()
        };
        let ids = parties()
            .filter_map(|party| Some((folded(&party.name), party.nop_id?)))
            .collect();
        let mut names = Self {
            ids,
            names: BTreeMap::new(),
        };
        for party in parties() {
            names.names.entry(names.key(party)).or_insert(&party.name);
        }
        names
    }

    fn key(&self, party: &Party) -> String {
        let folded = folded(&party.name);
        match party.nop_id.or_else(|| self.ids.get(&folded).copied()) {
            Some(id) => id.to_string(),
            None => folded,
        }
    }

    fn name(&self, key: &str) -> &str {
        self.names.get(key).copied().unwrap_or_default()
    }
}

fn folded(name: &str) -> String {
    name.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}
