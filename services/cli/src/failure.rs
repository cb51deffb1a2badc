//! What a service answered, as a failure that a user understands.

pub(crate) use nopic_host::Failure;
use tonic::{Code, Status};

/// What stands in the refusal of a role, by the table that all services have.
const OF_ROLE: &str = " is for the role ";

/// How methods that a service's words name are called here.
const COMMANDS: [(&str, &str); 6] = [
    ("ListReceivers", "`nopic receiver list`"),
    ("ListDeliveries", "`nopic notice deliveries`"),
    ("ListSubscriptions", "`nopic subscription list`"),
    ("GetCase", "`nopic case show`"),
    ("ListKeys", "`nopic key list`"),
    ("ListTenants", "`nopic tenant list`"),
];

/// The same sentence with commands in the place of methods.
fn by_commands(sentence: &str) -> String {
    let named = |word: &str| COMMANDS.iter().find(|(method, _)| *method == word);
    let words = sentence
        .split(' ')
        .map(|word| named(word).map_or(word, |(_, command)| command));
    words.collect::<Vec<_>>().join(" ")
}

/// The answer of a service. `target` names it in words.
pub(crate) fn from_status(status: &Status, target: &str) -> Failure {
    let said = sentence(status.message());
    match status.code() {
        // The services word these for people.
        Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::OutOfRange
        | Code::Aborted => Failure::new(said),
        // It is there and says so; what is not there says nothing.
        Code::Unavailable => {
            let failure = Failure::new(format!("{target} cannot do this at present: {said}"));
            if said.contains("try again") {
                failure
            } else {
                failure.advice("Try again. If it stays so, tell whoever runs it.")
            }
        }
        Code::Unauthenticated => Failure::new(format!("{target} does not know who is calling: {said}")).advice(
            "Put an API key, which its operator makes by `nopic key create`, into the environment variable \
             NOPIC_API_KEY, or the path of a file that holds it into NOPIC_API_KEY_FILE.",
        ),
        Code::PermissionDenied => {
            let refused =
                Failure::new(format!("{target} does not allow this to the caller: {}", status.message().trim()));
            if status.message().contains(OF_ROLE) {
                refused.advice(
                    "Act in the right role: with a key that has it (`nopic whoami` says what the key in hand may do), or on \
                     a folder of your own with --as-certifier or --as-exporter.",
                )
            } else {
                // What is refused for what it is about says itself who may do it.
                refused
            }
        }
        Code::ResourceExhausted => Failure::new(format!("{target} is asked for too much at once: {said}"))
            .advice("Try again later, or with less at a time."),
        Code::DeadlineExceeded => {
            Failure::new(format!("{target} did not answer in time.")).advice("Try again later.")
        }
        Code::Unimplemented => Failure::new(format!("{target} does not offer this."))
            .advice("It may be an older version, or another service: check the address."),
        Code::Cancelled => Failure::new(format!("{target} ended the call before its end.")).advice("Try again."),
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            Failure::new(format!("Something failed inside {target}: {said}"))
                .advice("Run it again with NOPIC_LOG=debug in the environment to see more.")
        }
    }
}

/// Makes a service's message a sentence: a capital first, a full stop last.
fn sentence(message: &str) -> String {
    let message = &by_commands(message.trim());
    let Some(first) = message.chars().next() else {
        return "no reason was given.".to_owned();
    };
    // Names of fields and files keep their spelling: only a plain word is capitalised.
    let word = message.split([' ', ':', ',']).next().unwrap_or_default();
    let mut sentence = if word.chars().all(|character| character.is_ascii_lowercase()) {
        first.to_uppercase().collect::<String>() + &message[first.len_utf8()..]
    } else {
        message.to_owned()
    };
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_a_sentence_with_advice() {
        let said = |status: Status| from_status(&status, "The server at http://x").to_string();
        assert_eq!(
            said(Status::invalid_argument("no date: give --published")),
            "No date: give --published."
        );
        assert_eq!(
            said(Status::not_found("netWeightKg is odd")),
            "netWeightKg is odd."
        );
        assert_eq!(
            said(Status::not_found(
                "there is no receiver \"a\": ListReceivers names those that there are"
            )),
            "There is no receiver \"a\": `nopic receiver list` names those that there are."
        );
        let behind = "nopic.registry.v1.RegistryService cannot be reached at present: try again";
        assert_eq!(
            said(Status::unavailable(behind)),
            format!("The server at http://x cannot do this at present: {behind}.")
        );
        assert!(said(Status::unavailable("about to stop")).contains("Try again."));
        let role = said(Status::permission_denied(
            "a.v1.Books/Write is for the role BROKER, not for EXPORTER",
        ));
        assert!(role.contains("whoami"), "{role}");
        let data = said(Status::permission_denied("only certifier 495 may do this"));
        assert!(data.ends_with("only certifier 495 may do this"), "{data}");
        assert!(said(Status::unauthenticated("")).contains("NOPIC_API_KEY"));
        for code in 1..17 {
            let text = said(Status::new(Code::from(code), ""));
            assert!(text.len() > 10 && !text.contains("status"), "{text}");
        }
    }
}
