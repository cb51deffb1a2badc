//! Takes the steps of a certificate's life.

use nopic_domain::lifecycle::ANY_VERSION;
use nopic_proto::certificate::certificate_life_service_client::CertificateLifeServiceClient;
use nopic_proto::certificate::{
    AmendCertificateRequest, AmendedList, AnswerQuestionRequest, ApproveCertificateRequest,
    AskForMoreRequest, CertificateState, EnterIssuedNumberRequest, GetCertificateRequest, GetHistoryRequest,
    GetRequestRequest, ListRequestsRequest, RejectCertificateRequest, RequestCertificateRequest,
    RequestState, StartReviewRequest, VoidCertificateRequest,
};

use super::form;
use super::lifecycle::{
    AmendArguments, Common, HistoryArguments, OfCertificate, OfRequest, RequestArguments, RequestsArguments,
    Review, ShowRequestArguments, VoidArguments,
};
use super::printing::{self, print_request};
use crate::acting::Acting;
use crate::connection::{Services, Wire, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output;

/// Requests asked for at once.
const PAGE: u32 = 1_000;

type Client = CertificateLifeServiceClient<Wire>;

async fn connect(context: &Context, acting: &Acting) -> Result<(Services, Client), Failure> {
    let services = context.connect(need::CERTIFICATE_LIFE).await?;
    let client = services.certificate_life(acting)?;
    Ok((services, client))
}

pub(super) async fn request(context: &Context, arguments: RequestArguments) -> Result<Done, Failure> {
    let Common {
        acting,
        naming,
        output,
    } = arguments.common;
    let mut message = RequestCertificateRequest {
        request_id: String::new(),
        requested: Some(form::read(&arguments.file)?),
    };
    message.request_id = naming.id("request", &message);
    let (services, mut client) = connect(context, &acting).await?;
    let answer = services.answer(client.request_certificate(message).await)?;
    // Asked again, the answer is the first one.
    let first = answer.state.unwrap_or_default();
    let present = GetRequestRequest {
        request: first.request,
        as_of: String::new(),
    };
    let present = services.answer(client.get_request(present).await)?;
    let present = present.state.unwrap_or_default();
    if present.version != first.version {
        context.terminal.note(&format!(
            "request {} was made before by the same form, and this is its present state; to ask anew, name another \
             request (--request-id)",
            present.request
        ));
    }
    print_answer(context, output, Some(present), None)
}

fn print_answer(
    context: &Context,
    style: output::Style,
    state: Option<RequestState>,
    certificate: Option<CertificateState>,
) -> Result<Done, Failure> {
    let mut out = output::results();
    let state = state.unwrap_or_default();
    print_request(&mut out, &context.terminal, style, state, &[])?;
    if let Some(certificate) = certificate.filter(|_| style == output::Style::Table) {
        printing::print_certificate(&mut out, style, &context.terminal, certificate)?;
    }
    Ok(Done::Well)
}

/// The version that a step is for: the one that was given. Else whichever stands, where the caller names the change
/// itself, so that the same command is the same request; else the current one, by which the change is named.
async fn version(services: &Services, client: &mut Client, of: &OfRequest) -> Result<u32, Failure> {
    if of.expected_version.is_some() || of.common.naming.is_given() {
        return Ok(of.expected_version.unwrap_or(ANY_VERSION));
    }
    let request = GetRequestRequest {
        request: of.request,
        as_of: String::new(),
    };
    let answer = services.answer(client.get_request(request).await)?;
    Ok(answer.state.unwrap_or_default().version)
}

/// Sends a step with a request, named by its content, and tells what came of it.
macro_rules! step {
    ($context:expr, $of:expr, $name:literal, $call:ident, $message:expr) => {
        step!($context, $of, $name, $call, $message, |_| None)
    };
    ($context:expr, $of:expr, $name:literal, $call:ident, $message:expr, $certificate:expr) => {{
        let of: &OfRequest = $of;
        let (services, mut client) = connect($context, &of.common.acting).await?;
        let mut message = $message;
        message.request = of.request;
        message.expected_version = version(&services, &mut client, of).await?;
        message.request_id = of.common.naming.id($name, &message);
        let answer = services.answer(client.$call(message).await)?;
        let issued: Option<CertificateState> = ($certificate)(&answer);
        print_answer($context, of.common.output, answer.state, issued)
    }};
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

pub(super) async fn review(context: &Context, command: Review) -> Result<Done, Failure> {
    match command {
        Review::Show(arguments) => show(context, arguments).await,
        Review::Start(arguments) => {
            let message = StartReviewRequest::default();
            step!(context, &arguments.of, "review", start_review, message)
        }
        Review::Ask(arguments) => {
            let message = AskForMoreRequest {
                question: arguments.question,
                ..AskForMoreRequest::default()
            };
            step!(context, &arguments.of, "ask", ask_for_more, message)
        }
        Review::Answer(arguments) => {
            let message = AnswerQuestionRequest {
                answer: arguments.answer,
                corrected: arguments.corrected.as_deref().map(form::read).transpose()?,
                ..AnswerQuestionRequest::default()
            };
            step!(context, &arguments.of, "answer", answer_question, message)
        }
        Review::Approve(arguments) => {
            let message = ApproveCertificateRequest {
                accepted: arguments.accept,
                valid_from: text(arguments.valid_from),
                valid_to: text(arguments.valid_to),
                reason: arguments.reason,
                ..ApproveCertificateRequest::default()
            };
            step!(
                context,
                &arguments.of,
                "approve",
                approve_certificate,
                message,
                |answer: &nopic_proto::certificate::ApproveCertificateResponse| answer.certificate.clone()
            )
        }
        Review::Reject(arguments) => {
            let message = RejectCertificateRequest {
                reasons: arguments.reasons,
                ..RejectCertificateRequest::default()
            };
            step!(context, &arguments.of, "reject", reject_certificate, message)
        }
        Review::EnterNumber(arguments) => {
            let message = EnterIssuedNumberRequest {
                number: arguments.number,
                issued_on: text(arguments.issued_on),
                valid_from: text(arguments.valid_from),
                valid_to: text(arguments.valid_to),
                accept_inconsistent: arguments.accept_inconsistent,
                ..EnterIssuedNumberRequest::default()
            };
            step!(
                context,
                &arguments.of,
                "enter-number",
                enter_issued_number,
                message,
                |answer: &nopic_proto::certificate::EnterIssuedNumberResponse| answer.certificate.clone()
            )
        }
    }
}

async fn show(context: &Context, arguments: ShowRequestArguments) -> Result<Done, Failure> {
    let (services, mut client) = connect(context, &arguments.acting).await?;
    let request = GetRequestRequest {
        request: arguments.request,
        as_of: arguments.as_of.unwrap_or_default(),
    };
    let answer = services.answer(client.get_request(request).await)?;
    let mut out = output::results();
    let state = answer.state.unwrap_or_default();
    print_request(
        &mut out,
        &context.terminal,
        arguments.output,
        state,
        &answer.steps,
    )?;
    Ok(Done::Well)
}

/// The version of a certificate that a step is for: as of a request.
async fn certificate_version(services: &Services, of: &OfCertificate) -> Result<u32, Failure> {
    if of.expected_version.is_some() || of.common.naming.is_given() {
        return Ok(of.expected_version.unwrap_or(ANY_VERSION));
    }
    let request = GetCertificateRequest {
        number: of.number.clone(),
        with_draws: false,
    };
    let answer = services.answer(services.certificates().get_certificate(request).await)?;
    Ok(answer.state.unwrap_or_default().version)
}

pub(super) async fn void(context: &Context, arguments: VoidArguments) -> Result<Done, Failure> {
    let of = arguments.of;
    let (services, mut client) = connect(context, &of.common.acting).await?;
    let mut message = VoidCertificateRequest {
        request_id: String::new(),
        expected_version: certificate_version(&services, &of).await?,
        number: of.number,
        reason: of.reason,
    };
    message.request_id = of.common.naming.id("void", &message);
    let answer = services.answer(client.void_certificate(message).await)?;
    let mut out = output::results();
    let state = answer.certificate.unwrap_or_default();
    printing::print_certificate(&mut out, of.common.output, &context.terminal, state)?;
    Ok(Done::Well)
}

pub(super) async fn amend(context: &Context, arguments: AmendArguments) -> Result<Done, Failure> {
    let of = arguments.of;
    let (services, mut client) = connect(context, &of.common.acting).await?;
    let list = |texts: Vec<String>| (!texts.is_empty()).then_some(AmendedList { texts });
    let mut message = AmendCertificateRequest {
        request_id: String::new(),
        expected_version: certificate_version(&services, &of).await?,
        number: of.number,
        reason: of.reason,
        importer_nop_id: arguments.importer,
        final_handler_nop_id: arguments.final_handler,
        product: arguments.product,
        hts_code: arguments.hts,
        kind: arguments.kind.unwrap_or_default().to_ascii_uppercase(),
        valid_from: text(arguments.valid_from),
        valid_to: text(arguments.valid_to),
        total_weight_kg: arguments.total_weight_kg,
        countries_of_origin: list(arguments.origin),
        lots: list(arguments.lot),
        successor: arguments.successor,
        accept_inconsistent: arguments.accept_inconsistent,
        accepted: arguments.accept,
    };
    message.request_id = of.common.naming.id("amend", &message);
    let answer = services.answer(client.amend_certificate(message).await)?;
    let mut out = output::results();
    let state = answer.successor.unwrap_or_default();
    printing::print_certificate(&mut out, of.common.output, &context.terminal, state)?;
    Ok(Done::Well)
}

pub(super) async fn history(context: &Context, arguments: HistoryArguments) -> Result<Done, Failure> {
    let (services, mut client) = connect(context, &arguments.acting).await?;
    let request = GetHistoryRequest {
        number: arguments.number,
        as_of: arguments.as_of.unwrap_or_default(),
    };
    let answer = services.answer(client.get_history(request).await)?;
    printing::print_history(
        &mut output::results(),
        &context.terminal,
        arguments.output,
        answer,
    )?;
    Ok(Done::Well)
}

pub(super) async fn list(context: &Context, arguments: RequestsArguments) -> Result<Done, Failure> {
    let (services, mut client) = connect(context, &arguments.acting).await?;
    let mut request = ListRequestsRequest {
        stage: arguments.stage.unwrap_or_default().to_ascii_uppercase(),
        certifier_id: arguments.certifier,
        exporter_nop_id: arguments.exporter,
        importer_nop_id: arguments.importer,
        due_by: text(arguments.due_by),
        page_size: arguments.limit.unwrap_or(PAGE).min(PAGE),
        page_token: String::new(),
    };
    let limit = arguments.limit.map_or(usize::MAX, |limit| limit as usize);
    let mut states = Vec::new();
    let complete = loop {
        let page = services.answer(client.list_requests(request.clone()).await)?;
        states.extend(page.states);
        if page.complete || page.next_page_token.is_empty() {
            break states.len() <= limit;
        }
        if states.len() >= limit {
            break false;
        }
        request.page_token = page.next_page_token;
    };
    states.truncate(limit);
    if !complete {
        context
            .terminal
            .note(&format!("the first {}; more follow", states.len()));
    }
    if states.is_empty() {
        context.terminal.note("no request matches");
    }
    printing::print_requests(
        &mut output::results(),
        &context.terminal,
        arguments.output,
        states,
    )?;
    Ok(Done::Well)
}
