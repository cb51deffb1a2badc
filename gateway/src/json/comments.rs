//! The comments of the `.proto` files, which are what clients are told of methods, messages and fields.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// Comments by file and by the place in it.
#[derive(Debug)]
pub(crate) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    /// Those of every file.
    pub(crate) fn read(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let source = file.file_descriptor_proto().source_code_info.as_ref();
            for location in source.iter().flat_map(|source| &source.location) {
                let lines = location.leading_comments().lines().map(str::trim);
                let text = lines.collect::<Vec<_>>().join(" ").trim().to_owned();
                if !text.is_empty() {
                    comments.insert((file.name().to_owned(), location.path.clone()), text);
                }
            }
        }
        Self(comments)
    }

    /// What stands before something; empty: nothing.
    pub(crate) fn of(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        self.0
            .get(&(file.name().to_owned(), path.to_vec()))
            .map_or("", String::as_str)
    }
}

/// The first sentence, without its full stop.
pub(crate) fn summary(text: &str) -> &str {
    let end = text.find(". ").unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::contract::Contract;

    #[test]
    fn comments_of_methods_and_fields_are_found() {
        let pool = &Contract::get().pool;
        let comments = Comments::read(pool);
        let method = &Contract::get()
            .method("/nopic.registry.v1.RegistryService/GetOperation")
            .unwrap()
            .descriptor;
        let text = comments.of(&method.parent_file(), method.path());
        assert_eq!(text, "One operation: its row, its history, its items.");
        assert_eq!(summary(text), "One operation: its row, its history, its items");
        let field = pool
            .get_message_by_name("nopic.audit.v1.Head")
            .unwrap()
            .get_field_by_name("seal")
            .unwrap();
        assert_eq!(
            comments.of(&field.parent_file(), field.path()),
            "Number of the last seal."
        );
    }
}
