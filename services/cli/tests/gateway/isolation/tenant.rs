//! Tenants with data of every kind, made by calls like anybody's.

use std::collections::BTreeSet;

use nopic_domain::identifier::EntryNumber;
use serde_json::{Value, json};

use super::seeded::Seeded;
use crate::forms::Door;

const ENTRIES: &str = "nopic.entry_validation.v1.EntryValidationService";
const RECORDS: &str = "nopic.entry_validation.v1.EntryRecordService";
const TRAILS: &str = "nopic.entry_validation.v1.EntryTrailService";
const LIFE: &str = "nopic.certificate.v1.CertificateLifeService";
const ACCESS: &str = "nopic.access.v1.AccessService";

/// The roles of a tenant's people; the operator's is the deployment's.
pub(super) const ROLES: [&str; 5] = ["BROKER", "COMPLIANCE", "EXPORTER", "CERTIFIER", "AUTHORITY"];

/// What another tenant may have learnt, or guesses: names of things, none of which says what they hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) tenant: String,
    pub(super) person: String,
    pub(super) key_prefix: String,
    pub(super) filer: String,
    pub(super) entry: String,
    pub(super) decision: String,
    pub(super) importer_of_record: String,
    /// A request for a certificate.
    pub(super) asked: String,
    /// The certificate that draws stand on. It is everybody's.
    pub(super) certificate: String,
    pub(super) filing: String,
    pub(super) nop_id: String,
}

impl Names {
    /// Each but what everybody knows, with the word that stands for it when answers are compared.
    pub(super) fn each(&self) -> [(&str, &'static str); 10] {
        [
            (&self.entry, "ENTRY"),
            (&self.importer_of_record, "IMPORTER"),
            (&self.filing, "FILING"),
            (&self.key_prefix, "KEY"),
            (&self.person, "PERSON"),
            (&self.tenant, "TENANT"),
            (&self.decision, "NUMBER"),
            (&self.asked, "NUMBER"),
            (&self.filer, "FILER"),
            (&self.nop_id, "OPERATION"),
        ]
    }
}

/// A tenant, with keys of its people.
#[derive(Debug)]
pub(super) struct Tenant {
    /// By [`ROLES`].
    pub(super) keys: Vec<String>,
    pub(super) names: Names,
    /// The same kinds of names, of things that there never were.
    pub(super) nothing: Names,
    /// What only this tenant may read.
    pub(super) secrets: Vec<String>,
    /// Tokens of next pages by method, with the request that they go on.
    pub(super) pages: Vec<(&'static str, Value)>,
    /// Changes as they were asked for, with their first answers: to be asked again.
    pub(super) changes: Vec<(usize, String, Value, Value)>,
    pub(super) entries: Vec<String>,
    pub(super) number: usize,
}

/// What tenants are made of.
pub(super) struct Template {
    /// A line that draws on a certificate which many may use, and with which tenants file.
    pub(super) line: Value,
    /// Certificates by exporters of the registry.
    pub(super) certificates: Vec<Value>,
}

impl Template {
    /// The certificates of one exporter of as many as there are tenants, each another one.
    fn of_exporter(&self, number: usize) -> (String, Vec<&Value>) {
        let exporter = |certificate: &Value| certificate["exporterNopId"].as_str().unwrap().to_owned();
        let exporters: BTreeSet<String> = self.certificates.iter().map(exporter).collect();
        let chosen = exporters.into_iter().nth(number).unwrap();
        let own = self.certificates.iter().filter(|found| exporter(found) == chosen);
        (chosen.clone(), own.collect())
    }

    /// A line of another entry, which says this.
    pub(super) fn line(&self, entry: &str, number: u32, description: &str, importer: &str) -> Value {
        let mut line = self.line.clone();
        line["entryNumber"] = entry.into();
        line["lineNumber"] = number.into();
        line["netWeightKg"] = "1".into();
        line["description"] = description.into();
        line["importerOfRecord"] = importer.into();
        line
    }
}

const BROKER: usize = 0;
const EXPORTER: usize = 2;

impl Tenant {
    /// Makes it, with entries of a number that the seed says.
    pub(super) async fn create(door: &Door, number: usize, template: &Template, seeded: &mut Seeded) -> Self {
        let mark = format!("{:08x}", seeded.below(1 << 32));
        let filer = format!("T{number}X");
        let owns_every_code = number == 0;
        let entry = |at: u32| EntryNumber::from_parts(&filer, at).unwrap().to_string();
        let (nop_id, certificates) = template.of_exporter(number);
        let names = Names {
            tenant: format!("tenant-{number}-{mark}"),
            person: format!("broker of {mark}"),
            importer_of_record: format!("1{number}-{:09}", seeded.below(1_000_000_000)),
            certificate: template.line["certificateNumber"].as_str().unwrap().to_owned(),
            filing: format!("filing-{mark}"),
            entry: entry(1),
            filer: filer.clone(),
            nop_id,
            ..Names::default()
        };
        let nothing = Names {
            tenant: format!("tenant-{number}-{mark}-none"),
            person: format!("nobody of {mark}"),
            key_prefix: "AAAAAAAAAAAA".to_owned(),
            importer_of_record: format!("9{number}-{:09}", seeded.below(1_000_000_000)),
            filing: format!("nothing-{mark}"),
            entry: EntryNumber::from_parts(&format!("N{number}X"), 7_654_321)
                .unwrap()
                .to_string(),
            decision: "987654321".to_owned(),
            asked: "876543219".to_owned(),
            filer: format!("N{number}X"),
            nop_id: format!("{:03}0000009", 951 + number),
            ..names.clone()
        };
        let mut tenant = Self {
            keys: Vec::new(),
            names,
            nothing,
            secrets: vec![mark],
            pages: Vec::new(),
            changes: Vec::new(),
            entries: Vec::new(),
            number,
        };
        tenant.let_people_in(door, owns_every_code).await;
        tenant.file(door, template, seeded).await;
        tenant.ask_for_a_certificate(door, certificates[0]).await;
        tenant.be_told(door).await;
        tenant.read_pages(door).await;
        tenant
    }

    /// Makes a receiver and a subscription of its own name.
    async fn be_told(&self, door: &Door) {
        let place = ROLES.iter().position(|role| *role == "COMPLIANCE").unwrap();
        let name = &self.names.tenant;
        let settings = json!({ "addresses": [format!("{name}@example.com")] }).to_string();
        for (method, request) in [
            (
                "CreateReceiver",
                json!({
                    "requestId": "receiver",
                    "receiver": { "name": name, "channel": "email", "settings": settings },
                }),
            ),
            (
                "SetSubscription",
                json!({ "requestId": "subscription", "subscription": { "name": name, "receiver": name } }),
            ),
        ] {
            let method = format!("nopic.notification.v1.NotificationService/{method}");
            door.ask(Some(&self.keys[place]), &method, &request).await.done();
        }
    }

    async fn let_people_in(&mut self, door: &Door, owns_every_code: bool) {
        let tenant = self.names.tenant.clone();
        let operate = async |method: &str, mut request: Value| {
            request["requestId"] = format!("{method}-{tenant}-{request}").into();
            request["requestId"] = request["requestId"].as_str().unwrap()[..60].into();
            door.ask(None, &format!("{ACCESS}/{method}"), &request)
                .await
                .done()
        };
        let mut made = json!({
            "tenant": self.names.tenant,
            "certifierId": format!("{}", 901 + self.number),
            "nopIds": [self.names.nop_id],
        });
        if owns_every_code {
            made["allFilerCodes"] = true.into();
        } else {
            made["filerCodes"] = json!([self.names.filer]);
        }
        operate("CreateTenant", json!({ "tenant": made })).await;
        for role in ROLES {
            let name = if role == "BROKER" {
                self.names.person.clone()
            } else {
                format!("{role} of {}", self.secrets[0])
            };
            operate(
                "AddPerson",
                json!({ "person": { "name": name, "tenant": self.names.tenant, "role": role } }),
            )
            .await;
            let key = operate(
                "CreateKey",
                json!({ "person": name, "tenant": self.names.tenant }),
            )
            .await;
            self.keys.push(key["secret"].as_str().unwrap().to_owned());
            if role == "BROKER" {
                self.names.key_prefix = key["key"]["prefix"].as_str().unwrap().to_owned();
            }
        }
    }

    /// An entry of its own.
    pub(super) fn entry(&self, at: u32) -> String {
        EntryNumber::from_parts(&self.names.filer, at)
            .unwrap()
            .to_string()
    }

    pub(super) fn broker(&self) -> Option<&str> {
        Some(&self.keys[BROKER])
    }

    /// A change that is remembered with its answer.
    async fn change(&mut self, door: &Door, who: usize, method: String, request: Value) -> Value {
        let answer = door.ask(Some(&self.keys[who]), &method, &request).await.done();
        self.changes.push((who, method, request, answer.clone()));
        answer
    }

    async fn file(&mut self, door: &Door, template: &Template, seeded: &mut Seeded) {
        let mark = self.secrets[0].clone();
        let importer = self.names.importer_of_record.clone();
        let link = json!({ "importerOfRecord": importer, "nopId": template.line["importerNopId"] });
        door.ask(self.broker(), &format!("{ENTRIES}/LinkImporter"), &link)
            .await
            .done();
        let count = 3 + u32::try_from(seeded.below(3)).unwrap();
        for at in 1..=count {
            let entry = EntryNumber::from_parts(&self.names.filer, at)
                .unwrap()
                .to_string();
            let lines: Vec<_> = (1..=1 + u32::try_from(seeded.below(3)).unwrap())
                .map(|line| template.line(&entry, line, &format!("goods {mark} {at}"), &importer))
                .collect();
            let request_id = if at == 1 {
                self.names.filing.clone()
            } else {
                format!("filing-{at}-{mark}")
            };
            let filed = json!({ "requestId": request_id, "lines": lines });
            let answer = self
                .change(door, BROKER, format!("{RECORDS}/FileEntries"), filed)
                .await;
            assert_eq!(answer["decisions"][0]["drawnKg"], "1", "{answer:#}");
            if at == 1 {
                self.names.decision = answer["decisions"][0]["decisionId"].as_str().unwrap().to_owned();
            }
            self.entries.push(entry);
        }
        let amended = json!({
            "requestId": format!("amend-{mark}"),
            "entryNumber": self.entries[1],
            "currentVersion": 1,
            "lines": [template.line(&self.entries[1], 1, &format!("other goods {mark}"), &importer)],
            "reason": format!("corrected by {mark}"),
        });
        self.change(door, BROKER, format!("{RECORDS}/AmendEntry"), amended)
            .await;
        let cancelled = json!({
            "requestId": format!("cancel-{mark}"),
            "entryNumber": self.entries[2],
            "currentVersion": 1,
            "reason": format!("never shipped, says {mark}"),
        });
        self.change(door, BROKER, format!("{RECORDS}/CancelEntry"), cancelled)
            .await;
        let trail = json!({
            "requestId": format!("trail-{mark}"),
            "entryNumber": self.names.entry,
            "items": [{ "step": {
                "role": "WAREHOUSE",
                "party": { "name": format!("keeper {mark}") },
                "place": format!("hall {mark}"),
                "from": "2025-01-01",
            } }],
        });
        self.change(door, BROKER, format!("{TRAILS}/RecordTrail"), trail)
            .await;
    }

    async fn ask_for_a_certificate(&mut self, door: &Door, like: &Value) {
        let mark = self.secrets[0].clone();
        let request = json!({
            "requestId": format!("certificate-{mark}"),
            "requested": {
                "exporterNopId": self.names.nop_id,
                "importerNopId": like["importerNopId"],
                "product": like["product"],
                "htsCode": like["htsCode"],
                "countriesOfOrigin": like["countriesOfOrigin"],
                "transport": format!("vessel of {mark}"),
                "totalWeightKg": "20000",
                "kind": "TIME_FRAME",
                "validFrom": "2099-03-01",
                "validTo": "2099-09-30",
            },
        });
        let answer = self
            .change(door, EXPORTER, format!("{LIFE}/RequestCertificate"), request)
            .await;
        self.names.asked = answer["state"]["request"].as_str().unwrap().to_owned();
    }

    async fn read_pages(&mut self, door: &Door) {
        for (method, request) in [
            (
                "nopic.entry_validation.v1.EntryRecordService/ListDecisions",
                json!({ "pageSize": 1, "withEnded": true }),
            ),
            (
                "nopic.certificate.v1.LedgerService/ListDraws",
                json!({ "pageSize": 1, "number": self.names.certificate }),
            ),
            (
                "nopic.certificate.v1.CertificateService/ListCertificates",
                json!({ "pageSize": 1 }),
            ),
        ] {
            let answer = door.ask(self.broker(), method, &request).await.done();
            let token = answer["nextPageToken"].as_str().unwrap_or_default().to_owned();
            assert!(!token.is_empty(), "{method}: {answer}");
            let mut next = request;
            next["pageToken"] = token.into();
            self.pages.push((method, next));
        }
    }

    /// Everything that the tenant reads of its own.
    pub(super) async fn all(&self, door: &Door) -> Vec<(String, Value)> {
        let broker = self.broker();
        let mut asked = vec![
            (
                broker,
                format!("{RECORDS}/ListDecisions"),
                json!({ "withEnded": true, "pageSize": 1_000 }),
            ),
            (
                broker,
                format!("{RECORDS}/GetStatistics"),
                json!({ "group": "IMPORTER" }),
            ),
            (
                broker,
                format!("{RECORDS}/GetStatistics"),
                json!({ "group": "DAY" }),
            ),
            (broker, format!("{RECORDS}/ListSetAsideFilings"), json!({})),
            (
                broker,
                format!("{RECORDS}/ExplainDecision"),
                json!({ "decisionId": self.names.decision }),
            ),
            (broker, format!("{ENTRIES}/ListImporterLinks"), json!({})),
            (
                broker,
                "nopic.certificate.v1.LedgerService/ListDraws".to_owned(),
                json!({ "number": self.names.certificate, "pageSize": 1_000 }),
            ),
            (
                Some(&*self.keys[EXPORTER]),
                format!("{LIFE}/ListRequests"),
                json!({}),
            ),
            (
                Some(&*self.keys[EXPORTER]),
                format!("{LIFE}/GetRequest"),
                json!({ "request": self.names.asked }),
            ),
            (
                None,
                format!("{ACCESS}/ListKeys"),
                json!({ "tenant": self.names.tenant }),
            ),
            (
                None,
                format!("{ACCESS}/ListPeople"),
                json!({ "tenant": self.names.tenant, "withRemoved": true }),
            ),
            (broker, format!("{ACCESS}/WhoAmI"), json!({})),
        ];
        for entry in &self.entries {
            asked.push((
                broker,
                format!("{RECORDS}/GetEntry"),
                json!({ "entryNumber": entry }),
            ));
            asked.push((
                broker,
                format!("{TRAILS}/GetTrail"),
                json!({ "entryNumber": entry }),
            ));
        }
        let mut all = Vec::new();
        for (key, method, request) in asked {
            all.push((method.clone(), door.ask(key, &method, &request).await.done()));
        }
        all
    }
}
