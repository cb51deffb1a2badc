//! The wire contract of nopic, generated from `proto/nopic/**`, and the conversions between wire and domain.
//!
//! Wire types stop at the handlers: services convert at once and decide on domain types.

pub mod answers;
pub mod convert;
pub mod weight;

/// Generated code: the `.proto` files document it.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod generated {
    pub mod common {
        pub mod v1 {
            tonic::include_proto!("nopic.common.v1");
        }
    }
    pub mod access {
        pub mod v1 {
            tonic::include_proto!("nopic.access.v1");
        }
    }
    pub mod audit {
        pub mod v1 {
            tonic::include_proto!("nopic.audit.v1");
        }
    }
    pub mod events {
        pub mod v1 {
            tonic::include_proto!("nopic.events.v1");
        }
    }
    pub mod notification {
        pub mod v1 {
            tonic::include_proto!("nopic.notification.v1");
        }
    }
    pub mod registry {
        pub mod v1 {
            tonic::include_proto!("nopic.registry.v1");
        }
    }
    pub mod certificate {
        pub mod v1 {
            tonic::include_proto!("nopic.certificate.v1");
        }
    }
    pub mod entry_validation {
        pub mod v1 {
            tonic::include_proto!("nopic.entry_validation.v1");
        }
    }
}

pub use generated::access::v1 as access;
pub use generated::audit::v1 as audit;
pub use generated::certificate::v1 as certificate;
pub use generated::common::v1 as common;
pub use generated::entry_validation::v1 as entry_validation;
pub use generated::events::v1 as events;
pub use generated::notification::v1 as notification;
pub use generated::registry::v1 as registry;

/// The contract as an encoded `FileDescriptorSet`: for gRPC reflection and ProtoJSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nopic.descriptors"));
