//! One call in the forms in which it can be made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    GrpcWeb,
    GrpcWebText,
    ConnectJson,
    ConnectProto,
    /// By the annotated path.
    Rest,
}

impl Form {
    pub(crate) const RPC: [Self; 4] = [
        Self::GrpcWeb,
        Self::GrpcWebText,
        Self::ConnectJson,
        Self::ConnectProto,
    ];
    /// Those that carry messages of the caller's own, more than one.
    pub(crate) const STREAMS: [Self; 2] = [Self::ConnectJson, Self::ConnectProto];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GrpcWeb => "grpc-web",
            Self::GrpcWebText => "grpc-web-text",
            Self::ConnectJson => "connect-json",
            Self::ConnectProto => "connect-proto",
            Self::Rest => "rest",
        }
    }
}

/// A request of HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) verb: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            verb: "GET",
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn post(path: &str, content: &str, body: Vec<u8>) -> Self {
        Self {
            verb: "POST",
            path: path.to_owned(),
            headers: vec![("content-type", content.to_owned())],
            body,
        }
    }

    pub(crate) fn by_key(mut self, key: &str) -> Self {
        self.headers.push(("authorization", format!("Bearer {key}")));
        self
    }
}

/// A call, by its messages in JSON.
#[derive(Debug)]
pub(crate) struct Asked {
    service: &'static str,
    method: &'static str,
    messages: Vec<String>,
    is_stream: bool,
}

impl Asked {
    pub(crate) fn unary(service: &'static str, method: &'static str, message: &str) -> Self {
        Self {
            service,
            method,
            messages: vec![message.to_owned()],
            is_stream: false,
        }
    }

    pub(crate) fn stream(service: &'static str, method: &'static str, messages: &[String]) -> Self {
        Self {
            service,
            method,
            messages: messages.to_vec(),
            is_stream: true,
        }
    }

    pub(crate) fn in_forms(&self, forms: &[Form]) -> Vec<(Form, Request)> {
        forms.iter().map(|form| (*form, self.request(*form))).collect()
    }

    fn request(&self, form: Form) -> Request {
        let framed = |messages: Vec<Vec<u8>>| {
            messages
                .iter()
                .flat_map(|message| frame(message))
                .collect::<Vec<u8>>()
        };
        let json = || {
            self.messages
                .iter()
                .map(|message| message.clone().into_bytes())
                .collect::<Vec<_>>()
        };
        let (content, body) = match (form, self.is_stream) {
            (Form::GrpcWeb, _) => ("application/grpc-web+proto", framed(self.encoded())),
            (Form::GrpcWebText, _) => (
                "application/grpc-web-text+proto",
                STANDARD.encode(framed(self.encoded())).into_bytes(),
            ),
            (Form::ConnectJson, false) => ("application/json", json().concat()),
            (Form::ConnectJson, true) => ("application/connect+json", framed(json())),
            (Form::ConnectProto, false) => ("application/proto", self.encoded().concat()),
            (Form::ConnectProto, true) => ("application/connect+proto", framed(self.encoded())),
            (Form::Rest, _) => unreachable!("a path of its own"),
        };
        let mut request = Request::post(&format!("/{}/{}", self.service, self.method), content, body);
        if matches!(form, Form::ConnectJson | Form::ConnectProto) {
            request.headers.push(("connect-protocol-version", "1".to_owned()));
        }
        request
    }

    fn encoded(&self) -> Vec<Vec<u8>> {
        let pool = DescriptorPool::decode(nopic_proto::DESCRIPTORS).unwrap();
        let service = pool.get_service_by_name(self.service).unwrap();
        let method = service
            .methods()
            .find(|method| method.name() == self.method)
            .unwrap();
        let encode = |message: &String| {
            let mut json = serde_json::Deserializer::from_str(message);
            DynamicMessage::deserialize(method.input(), &mut json)
                .unwrap()
                .encode_to_vec()
        };
        self.messages.iter().map(encode).collect()
    }
}

/// A message of a stream, not packed.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}
