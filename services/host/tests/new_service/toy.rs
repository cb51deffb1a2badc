//! All of a service: it greets.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use nopic_chassis::config::Reader;
use nopic_chassis::metrics::Count;
use nopic_chassis::part::{Open, Opener};
use nopic_chassis::roles::Row;
use nopic_chassis::serving::GrpcService;
use nopic_domain::principal::Role;
use nopic_host::Part;
use nopic_sql::Journal;
use nopic_sql::{Location, Migration, SHARED, Schema};
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// The service.
pub(crate) const SERVICE: &str = "toy.v1.ToyService";
/// Its method.
pub(crate) const GREET: &str = "/toy.v1.ToyService/Greet";

/// What moves in.
pub(crate) const PART: Part = Part {
    name: "toy",
    about: "A toy",
    is_door: false,
    tells_events: true,
    services: &[GrpcService::hard(SERVICE)],
    descriptors: || &DESCRIPTORS,
    roles: &[Row::roles("toy.v1.ToyService/Greet", &[Role::Operator])],
    schema: Some(&Schema {
        name: "toy",
        migrations: &[
            SHARED,
            Migration {
                name: "create_greetings",
                sqlite: "CREATE TABLE greeting (name TEXT NOT NULL) STRICT",
                postgres: "CREATE TABLE greeting (name text NOT NULL)",
                oldest_compatible: 2,
            },
        ],
        audited: &[],
    }),
    asks: &[],
    configure,
};

static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let method = MethodDescriptorProto {
        name: Some("Greet".to_owned()),
        input_type: Some(".google.protobuf.StringValue".to_owned()),
        output_type: Some(".google.protobuf.StringValue".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("toy/v1/toy.proto".to_owned()),
        package: Some("toy.v1".to_owned()),
        service: vec![ServiceDescriptorProto {
            name: Some("ToyService".to_owned()),
            method: vec![method],
            options: None,
        }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
});

fn configure(reader: &mut Reader) -> Opener<Location, Journal> {
    let greeting = reader.text("toy.greeting").unwrap_or_default();
    Box::new(move |opening| {
        Box::pin(async move {
            let greetings = Arc::new(Count::default());
            let read = Arc::clone(&greetings);
            opening
                .metrics
                .add_read(move |reading| reading.counter("toy_greetings", "Greetings", &[(&[], read.get())]));
            let toy = Toy {
                greeting: greeting.into(),
                greetings,
            };
            Ok(Open::serving(move |routes| {
                routes.add_service(toy.clone());
            }))
        })
    })
}

#[derive(Clone)]
struct Toy {
    greeting: Arc<str>,
    greetings: Arc<Count>,
}

impl NamedService for Toy {
    const NAME: &'static str = SERVICE;
}

impl UnaryService<String> for Toy {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.greetings.add();
        let answer = format!("{}, {}", self.greeting, request.get_ref());
        Box::pin(async move { Ok(Response::new(answer)) })
    }
}

impl Service<http::Request<Body>> for Toy {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let toy = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
            Ok(grpc.unary(toy, request).await)
        })
    }
}
