//! One request in every form that the gateway takes, and all that comes back of it as text.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use nopic_chassis::rpc::code_name;
use nopic_proto::DESCRIPTORS;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::rest;

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Grpc,
    GrpcWeb,
    Connect,
    Rest,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Grpc, Self::GrpcWeb, Self::Connect, Self::Rest];
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// As in `google.rpc.Code`.
    pub(crate) code: String,
    /// The message in ProtoJSON; `null` where the call was refused.
    pub(crate) message: Value,
    /// Everything that was said: the message as JSON and as it is in protobuf, or the refusal with its details.
    pub(crate) said: String,
}

impl Answer {
    fn of(message: &DynamicMessage) -> Self {
        let json = serde_json::to_value(message).unwrap();
        Self {
            code: "OK".to_owned(),
            said: format!("{json}\n{}", String::from_utf8_lossy(&message.encode_to_vec())),
            message: json,
        }
    }

    fn refused(code: &str, said: String) -> Self {
        Self {
            code: code.to_owned(),
            message: Value::Null,
            said,
        }
    }

    fn of_status(status: &Status) -> Self {
        let details = String::from_utf8_lossy(status.details()).into_owned();
        Self::refused(
            code_name(status.code()),
            format!("{}\n{details}", status.message()),
        )
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.code == "OK"
    }

    #[track_caller]
    pub(crate) fn done(self) -> Value {
        assert!(self.is_ok(), "{}: {}", self.code, self.said);
        self.message
    }
}

/// A gateway, asked in any form over one connection of gRPC and a few of HTTP/1.1.
#[derive(Clone)]
pub(crate) struct Door {
    url: String,
    pub(crate) pool: DescriptorPool,
    http: reqwest::Client,
    channel: Channel,
}

impl Door {
    pub(crate) async fn new(url: &str) -> Self {
        // The client of HTTP asks for it though nothing here is encrypted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let channel = Endpoint::new(url.to_owned()).unwrap().connect().await.unwrap();
        Self {
            url: url.to_owned(),
            pool: DescriptorPool::decode(DESCRIPTORS).unwrap(),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(60))
                .build()
                .unwrap(),
            channel,
        }
    }

    /// The method of this name, `package.Service/Method`.
    pub(crate) fn method(&self, name: &str) -> MethodDescriptor {
        let (service, method) = name.split_once('/').unwrap();
        let service = self.pool.get_service_by_name(service).unwrap();
        service.methods().find(|found| found.name() == method).unwrap()
    }

    /// Asks in the form of most callers.
    pub(crate) async fn ask(&self, key: Option<&str>, method: &str, request: &Value) -> Answer {
        self.ask_in(Form::Grpc, key, &self.method(method), request)
            .await
            .unwrap()
    }

    /// Asks in a form; `None`: the method has no path in it.
    pub(crate) async fn ask_in(
        &self,
        form: Form,
        key: Option<&str>,
        method: &MethodDescriptor,
        request: &Value,
    ) -> Option<Answer> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        Some(match form {
            Form::Grpc => self.grpc(key, &path, method, request).await,
            Form::GrpcWeb => self.grpc_web(key, &path, method, request).await,
            Form::Connect => {
                let asked = self
                    .http
                    .post(format!("{}{path}", self.url))
                    .header("content-type", "application/json")
                    .header("connect-protocol-version", "1")
                    .body(request.to_string());
                json(with_key(asked, key)).await
            }
            Form::Rest => {
                let asked = rest::asked(&self.pool, method, request)?;
                let mut call = self
                    .http
                    .request(asked.verb, format!("{}{}", self.url, asked.path));
                if let Some(body) = asked.body {
                    call = call
                        .header("content-type", "application/json")
                        .body(body.to_string());
                }
                json(with_key(call, key)).await
            }
        })
    }

    /// A stream that stays open until it is dropped.
    pub(crate) async fn watch(&self, key: Option<&str>) -> impl Sized {
        let method = self.method("nopic.registry.v1.RegistryService/WatchChanges");
        let request = with_grpc_key(message(method.input(), &Value::Object(Map::new())), key);
        let path = "/nopic.registry.v1.RegistryService/WatchChanges".parse().unwrap();
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        client
            .server_streaming(request, path, Dynamic(method.output()))
            .await
            .unwrap()
            .into_inner()
    }

    async fn grpc(
        &self,
        key: Option<&str>,
        path: &str,
        method: &MethodDescriptor,
        request: &Value,
    ) -> Answer {
        let request = with_grpc_key(message(method.input(), request), key);
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let answer = client
            .unary(request, path.parse().unwrap(), Dynamic(method.output()))
            .await;
        match answer {
            Ok(answer) => Answer::of(&answer.into_inner()),
            Err(status) => Answer::of_status(&status),
        }
    }

    async fn grpc_web(
        &self,
        key: Option<&str>,
        path: &str,
        method: &MethodDescriptor,
        request: &Value,
    ) -> Answer {
        let content = message(method.input(), request).encode_to_vec();
        let mut body = vec![0];
        body.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        body.extend(content);
        let asked = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/grpc-web+proto")
            .body(body);
        let answer = with_key(asked, key).send().await.unwrap();
        let mut status = Status::from_header_map(answer.headers());
        let mut rest = answer.bytes().await.unwrap();
        let mut found = None;
        while rest.len() >= 5 {
            let flags = rest.get_u8();
            let length = rest.get_u32();
            let content = rest.split_to(usize::try_from(length).unwrap());
            if flags & 0x80 == 0 {
                found = Some(DynamicMessage::decode(method.output(), content).unwrap());
            } else {
                status = Some(of_trailers(&content));
            }
        }
        let status = status.unwrap();
        match found.filter(|_| status.code() == Code::Ok) {
            Some(message) => Answer::of(&message),
            None => Answer::of_status(&status),
        }
    }
}

fn of_trailers(content: &Bytes) -> Status {
    let text = String::from_utf8_lossy(content);
    let headers = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().parse().unwrap(), value.trim().parse().unwrap()))
        .collect();
    Status::from_header_map(&headers).unwrap()
}

fn with_grpc_key(message: DynamicMessage, key: Option<&str>) -> Request<DynamicMessage> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        let shown = format!("Bearer {key}").parse().unwrap();
        request.metadata_mut().insert("authorization", shown);
    }
    request
}

fn with_key(call: reqwest::RequestBuilder, key: Option<&str>) -> reqwest::RequestBuilder {
    match key {
        Some(key) => call.header("authorization", format!("Bearer {key}")),
        None => call,
    }
}

/// A call whose answer is JSON.
async fn json(call: reqwest::RequestBuilder) -> Answer {
    let answer = call.send().await.unwrap();
    let status = answer.status();
    let said = answer.text().await.unwrap();
    let message: Value =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{status}: {error}: {said}"));
    if status.is_success() {
        return Answer {
            code: "OK".to_owned(),
            message,
            said,
        };
    }
    let code = message["code"].as_str().unwrap().to_uppercase();
    Answer::refused(&code, said)
}

/// A message of this JSON.
pub(crate) fn message(descriptor: MessageDescriptor, json: &Value) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor, json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// Messages that are known by their descriptors only.
#[derive(Debug, Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message
            .encode(into)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), from)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
