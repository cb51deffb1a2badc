//! The contract as it is read from its descriptors: every method, and how it is called over plain HTTP.
//!
//! A method's path stands beside it in the `.proto` file as `google.api.http`. Beside what that means elsewhere, two things
//! are read from it for streams:
//! - `body: "chunk"`: the body is a file, whatever its form. It is sent as the field `chunk` of many requests. The fields of
//!   the same `oneof` with smaller numbers go before it, filled from the query; those with larger numbers follow it.
//! - `response_body: "verdicts"`: of each answer, the elements of that field are a line each.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ReflectMessage as _, Value,
};
use tonic::codegen::http::Method as Verb;

use super::template::{Asked, Template};

/// Every method of the contract.
#[derive(Debug)]
pub(crate) struct Contract {
    pub(crate) pool: DescriptorPool,
    /// In the order of the contract.
    pub(crate) methods: Vec<Arc<Method>>,
    by_path: HashMap<String, Arc<Method>>,
}

/// A method.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) descriptor: MethodDescriptor,
    /// As gRPC calls it: `/package.Service/Method`.
    pub(crate) path: String,
    pub(crate) input: MessageDescriptor,
    pub(crate) output: MessageDescriptor,
    /// Its own path over plain HTTP.
    pub(crate) binding: Option<Binding>,
}

/// How a method is called over plain HTTP.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) verb: Verb,
    pub(crate) template: Template,
    pub(crate) body: Holds,
    /// Whose elements are a line each.
    pub(crate) lines: Option<FieldDescriptor>,
}

/// What the body of a request holds.
#[derive(Debug)]
pub(crate) enum Holds {
    /// There is none: the query holds the fields.
    Nothing,
    /// All fields but those of the path.
    Fields,
    /// A file.
    File(Parts),
}

/// The messages in which a file is sent, by the field that each sets.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) before: Vec<FieldDescriptor>,
    pub(crate) chunk: FieldDescriptor,
    pub(crate) after: Vec<FieldDescriptor>,
}

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Found<'c> {
    /// A method, and the values of the fields in its path.
    Method(&'c Arc<Method>, Vec<String>),
    /// Something that is called with these verbs.
    OtherVerbs(Vec<Verb>),
    Nothing,
}

impl Method {
    /// One message in, one out.
    pub(crate) fn is_unary(&self) -> bool {
        !self.descriptor.is_client_streaming() && !self.descriptor.is_server_streaming()
    }
}

impl Contract {
    /// The contract of this build.
    pub(crate) fn get() -> &'static Self {
        static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
            // The descriptors are part of the build; a test reads them.
            #[allow(clippy::expect_used, reason = "see above")]
            Contract::read(nopic_proto::DESCRIPTORS).expect("the contract of this build can be read")
        });
        &CONTRACT
    }

    fn read(descriptors: &[u8]) -> Result<Self, String> {
        let pool = DescriptorPool::decode(descriptors).map_err(|error| error.to_string())?;
        let rule = pool
            .get_extension_by_name("google.api.http")
            .ok_or("google.api.http is not there")?;
        let mut methods = Vec::new();
        for descriptor in pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
        {
            let options = descriptor.options();
            let binding = match options.has_extension(&rule).then(|| options.get_extension(&rule)) {
                Some(value) => Some(
                    value
                        .as_message()
                        .and_then(|rule| Binding::read(rule, &descriptor))
                        .ok_or_else(|| format!("the path of {} cannot be read", descriptor.full_name()))?,
                ),
                None => None,
            };
            methods.push(Arc::new(Method {
                path: format!(
                    "/{}/{}",
                    descriptor.parent_service().full_name(),
                    descriptor.name()
                ),
                input: descriptor.input(),
                output: descriptor.output(),
                binding,
                descriptor,
            }));
        }
        let by_path = methods
            .iter()
            .map(|method| (method.path.clone(), Arc::clone(method)))
            .collect();
        Ok(Self {
            pool,
            methods,
            by_path,
        })
    }

    /// By its path in gRPC.
    pub(crate) fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.by_path.get(path)
    }

    /// By its own path.
    pub(crate) fn find(&self, verb: &Verb, path: &str) -> Found<'_> {
        let Some(asked) = Asked::new(path) else {
            return Found::Nothing;
        };
        // What is told without its body is asked for like the whole.
        let verb = if verb == Verb::HEAD { &Verb::GET } else { verb };
        let mut others = Vec::new();
        for method in &self.methods {
            let Some(binding) = &method.binding else { continue };
            let Some(values) = binding.template.values(&asked) else {
                continue;
            };
            if binding.verb == *verb {
                return Found::Method(method, values);
            }
            others.push(binding.verb.clone());
        }
        if others.is_empty() {
            Found::Nothing
        } else {
            Found::OtherVerbs(others)
        }
    }
}

impl Binding {
    fn read(rule: &DynamicMessage, method: &MethodDescriptor) -> Option<Self> {
        let text = |name: &str| -> Option<String> {
            let value = rule.get_field_by_name(name)?;
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (verb, path) = ["get", "put", "post", "delete", "patch"]
            .iter()
            .find_map(|verb| text(verb).map(|path| (*verb, path)))?;
        let body = match text("body").as_deref() {
            None => Holds::Nothing,
            Some("*") => Holds::Fields,
            Some(field) => Holds::File(Parts::read(&method.input(), field)?),
        };
        let lines = match text("response_body") {
            Some(name) => Some(method.output().get_field_by_name(&name)?),
            None => None,
        };
        Some(Self {
            verb: Verb::from_bytes(verb.to_uppercase().as_bytes()).ok()?,
            template: Template::parse(&path)?,
            body,
            lines,
        })
    }
}

impl Parts {
    fn read(input: &MessageDescriptor, field: &str) -> Option<Self> {
        let chunk = input
            .get_field_by_name(field)
            .filter(|field| field.kind() == Kind::Bytes)?;
        let mut others: Vec<_> = chunk
            .containing_oneof()?
            .fields()
            .filter(|field| matches!(field.kind(), Kind::Message(_)))
            .collect();
        others.sort_by_key(FieldDescriptor::number);
        let (before, after) = others
            .into_iter()
            .partition(|field| field.number() < chunk.number());
        Some(Self { before, chunk, after })
    }

    /// The request that sets this part.
    pub(crate) fn request(field: &FieldDescriptor, part: DynamicMessage) -> DynamicMessage {
        let mut request = DynamicMessage::new(field.parent_message().clone());
        request.set_field(field, Value::Message(part));
        request
    }

    /// The request that sets this part without anything in it.
    pub(crate) fn empty(field: &FieldDescriptor) -> DynamicMessage {
        let part = match field.kind() {
            Kind::Message(message) => DynamicMessage::new(message),
            // Only messages are parts beside the chunk: see `read`.
            _ => DynamicMessage::new(field.parent_message().clone()),
        };
        debug_assert!(part.descriptor() != *field.parent_message());
        Self::request(field, part)
    }
}
