//! Names of what Redis holds.

use crate::shard::ShardHash;

/// The keys of one deployment.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    deployment: String,
}

impl Keys {
    pub(super) fn new(deployment: &str) -> Self {
        Self {
            deployment: deployment.to_owned(),
        }
    }

    pub(super) fn shard(&self, hash: &ShardHash) -> String {
        format!("oid:{}:shard:{hash:?}", self.deployment)
    }

    pub(super) fn manifest(&self, revision: u32) -> String {
        format!("oid:{}:manifest:{revision}", self.deployment)
    }

    pub(super) fn pointer(&self) -> String {
        format!("oid:{}:revision", self.deployment)
    }

    pub(super) fn channel(&self) -> String {
        format!("oid:{}:published", self.deployment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_the_design_says() {
        let keys = Keys::new("us");
        let hash = ShardHash::from_slice(&[0xab; 32]).unwrap();
        assert_eq!(keys.shard(&hash), format!("oid:us:shard:{}", "ab".repeat(32)));
        assert_eq!(keys.manifest(7), "oid:us:manifest:7");
        assert_eq!(keys.pointer(), "oid:us:revision");
        assert_eq!(keys.channel(), "oid:us:published");
    }
}
