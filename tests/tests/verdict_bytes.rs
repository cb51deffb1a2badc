//! What a pre-check answers is the verdict that a filing would keep, to the byte; and by codes it is that without the
//! sentences, of which none is made.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;
use std::sync::Arc;

use allocation_counter::measure;
use nopic_domain::decision::{Evidence, Verdict};
use nopic_domain::finding::Code;
use nopic_domain::rules::{Knowledge as _, RULES_VERSION};
use nopic_proto::convert::verdicts::{Detail, VerdictWriter};
use nopic_proto::entry_validation as wire;
use nopic_tests::cases::Files;
use nopic_tests::world::World;
use prost_reflect::prost::Message as _;

fn evidence(world: &World) -> Arc<Evidence> {
    Arc::new(Evidence {
        policy_version: world.policy.version().to_owned(),
        rules_version: RULES_VERSION.to_owned(),
        flags_version: world.flags.version().to_owned(),
        registry: world.registry(),
    })
}

#[test]
fn every_verdict_of_the_own_cases_is_written_as_its_message_is() {
    let files = Files::own().unwrap();
    let cases = files.cases().unwrap();
    let worlds = files.worlds(&cases).unwrap();
    let mut codes = BTreeSet::new();
    for case in &cases {
        let world = worlds.of(case);
        let evidence = evidence(world);
        let judged = world.judge(case.normalised_lines().unwrap());
        let written = |detail| {
            let mut writer = VerdictWriter::new(detail, &world.policy, &evidence, 0);
            for (line, judgement) in &judged {
                writer.write(line, judgement);
            }
            let answer = writer.finish().into_answer::<wire::ValidateEntriesResponse>();
            answer.encode_to_vec()
        };
        let mut kept = wire::ValidateEntriesResponse {
            verdicts: judged
                .iter()
                .map(|(line, judgement)| Verdict::new(line, judgement, &world.policy, &evidence).into())
                .collect(),
        };
        assert_eq!(written(Detail::Full), kept.encode_to_vec(), "{}", case.name);
        for finding in kept.verdicts.iter_mut().flat_map(|verdict| &mut verdict.findings) {
            codes.insert(finding.code);
            finding.message.clear();
            finding.citation.clear();
        }
        assert_eq!(written(Detail::Codes), kept.encode_to_vec(), "{}", case.name);
    }
    assert_eq!(codes.len(), Code::ALL.len());
}

#[test]
fn by_codes_no_sentence_is_made() {
    let files = Files::own().unwrap();
    let cases = files.cases().unwrap();
    let worlds = files.worlds(&cases).unwrap();
    let mut findings = 0;
    for case in &cases {
        let world = worlds.of(case);
        let evidence = evidence(world);
        for (line, judgement) in world.judge(case.normalised_lines().unwrap()) {
            findings += judgement.findings.len();
            // What is told of a line is told of it again: the first time there is nowhere to write it yet.
            let mut writer = VerdictWriter::new(Detail::Codes, &world.policy, &evidence, 1_000);
            writer.write(&line, &judgement);
            let allocations = measure(|| writer.write(&line, &judgement));
            assert_eq!(allocations.count_total, 0, "{}", case.name);
        }
    }
    assert!(findings > Code::ALL.len(), "{findings}");
}
