//! The modules of a crate and the paths that each of them names, read from source. Test code is left out; comments
//! and texts are no tokens, so they do not count; the bodies of macros do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree};

/// Place of a module below the root of its crate.
pub(crate) type ModulePath = Vec<String>;

/// What a module says of itself and of others.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Names that it defines.
    defines: BTreeSet<String>,
    /// Names that it imports, and what they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths of which it imports everything.
    globs: Vec<Vec<String>>,
    /// Every path of two or more names, as written.
    names: BTreeSet<Vec<String>>,
}

/// Every module of a crate.
#[derive(Debug, Default)]
pub(crate) struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    /// Those of the crate whose root is this file.
    pub(crate) fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        let directory = root.parent().expect("a file is in a folder");
        modules.add_file(Vec::new(), root, directory);
        modules
    }

    fn add_file(&mut self, path: ModulePath, file: &Path, children: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items = syn::parse_file(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            .items;
        let beside = file.parent().expect("a file is in a folder");
        self.add(path, items, beside, children);
    }

    /// Adds a module. `children` is the folder of the files of its modules, `beside` that of its own file.
    pub(crate) fn add(&mut self, path: ModulePath, items: Vec<Item>, beside: &Path, children: &Path) {
        let mut module = Module::default();
        for item in items {
            match item {
                Item::Mod(child) if !is_test(&child.attrs) => {
                    let name = child.ident.to_string();
                    let child_path = [path.as_slice(), std::slice::from_ref(&name)].concat();
                    let folder = children.join(&name);
                    if let Some((_, items)) = child.content {
                        self.add(child_path, items, beside, &folder);
                    } else if let Some(file) = named_file(&child.attrs) {
                        let file = beside.join(file);
                        let folder = file.parent().expect("a file is in a folder").to_owned();
                        self.add_file(child_path, &file, &folder);
                    } else {
                        let file = children.join(format!("{name}.rs"));
                        let file = if file.exists() {
                            file
                        } else {
                            folder.join("mod.rs")
                        };
                        self.add_file(child_path, &file, &folder);
                    }
                }
                Item::Use(import) if !is_test(&import.attrs) => {
                    module.import(&import.tree, &mut Vec::new());
                    collect(import.to_token_stream(), &mut module.names);
                }
                Item::Mod(_) | Item::Use(_) => {}
                item => {
                    module.defines.extend(defined(&item));
                    collect(item.to_token_stream(), &mut module.names);
                }
            }
        }
        self.0.insert(path, module);
    }

    /// Every use of a module by another: user, used, the path as written. A name that stands for an import is none of
    /// its own: the import says it.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (&ModulePath, ModulePath, &Vec<String>)> {
        self.0.iter().flat_map(move |(user, module)| {
            let own = module
                .names
                .iter()
                .filter(|name| !module.imports.contains_key(&name[0]));
            own.filter_map(move |name| Some((user, self.resolve(user, name, 0)?, name)))
        })
    }

    /// The module in which a path ends that is written in this one; none if it leads out of the crate.
    fn resolve(&self, from: &ModulePath, name: &[String], depth: usize) -> Option<ModulePath> {
        // Imports that lead to each other end here, as the compiler ends them.
        const DEEPEST: usize = 16;
        let mut at = from.clone();
        let mut rest = name;
        let mut is_rooted = false;
        loop {
            match rest.first().map(String::as_str) {
                Some("crate") => at.clear(),
                Some("self") => {}
                Some("super") => {
                    at.pop()?;
                }
                _ => break,
            }
            is_rooted = true;
            rest = &rest[1..];
        }
        while let Some((first, behind)) = rest.split_first() {
            let child = [at.as_slice(), std::slice::from_ref(first)].concat();
            let module = self.0.get(&at)?;
            if self.0.contains_key(&child) {
                at = child;
            } else if module.defines.contains(first) {
                return Some(at);
            } else if let Some(import) = module.imports.get(first).filter(|_| depth < DEEPEST) {
                return self.resolve(&at, &[import, behind].concat(), depth + 1);
            } else {
                let of_glob = module.globs.iter().filter(|_| depth < DEEPEST).find_map(|glob| {
                    let place = self.resolve(&at, glob, depth + 1)?;
                    self.0.get(&place)?.knows(first).then_some(place)
                });
                return match of_glob {
                    Some(place) => self.resolve(&place, rest, depth + 1),
                    None => is_rooted.then_some(at),
                };
            }
            is_rooted = true;
            rest = behind;
        }
        Some(at)
    }
}

impl Module {
    fn knows(&self, name: &str) -> bool {
        self.defines.contains(name) || self.imports.contains_key(name)
    }

    fn import(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix);
                }
            }
            UseTree::Glob(_) => self.globs.push(prefix.clone()),
            UseTree::Name(name) => self.import_as(name.ident.to_string(), name.ident.to_string(), prefix),
            UseTree::Rename(rename) => {
                self.import_as(rename.ident.to_string(), rename.rename.to_string(), prefix);
            }
        }
    }

    fn import_as(&mut self, name: String, here: String, prefix: &[String]) {
        let (path, here) = match (name.as_str(), prefix.last()) {
            ("self", Some(last)) if here == "self" => (prefix.to_vec(), last.clone()),
            ("self", _) => (prefix.to_vec(), here),
            _ => ([prefix, &[name]].concat(), here),
        };
        // `use serde;` and the like name no module of ours, and would only lead to themselves.
        if path.len() > 1 {
            self.imports.insert(here, path);
        }
    }
}

/// The name that an item defines, and of its macro the one that it makes known.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.meta.to_token_stream().to_string() == "cfg (test)")
}

/// What `#[path = "…"]` says.
fn named_file(attributes: &[Attribute]) -> Option<PathBuf> {
    let value = attributes
        .iter()
        .find(|attribute| attribute.path().is_ident("path"))?
        .meta
        .require_name_value()
        .expect("`path` has a value");
    let text = value.value.to_token_stream().to_string();
    Some(PathBuf::from(text.trim_matches('"')))
}

/// Collects every path of two or more names, also those of macros' bodies; leaves out what only tests have.
fn collect(tokens: TokenStream, names: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Group(group) if group.stream().to_string() == "cfg (test)" => {
                let ends = |token: &TokenTree| match token {
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    other => is_mark(other, ';') || is_mark(other, ','),
                };
                at += tokens[at..].iter().position(ends).unwrap_or(tokens.len());
            }
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Ident(_) => {
                at = collect_path(&tokens, at, &[], names);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// Collects the path that begins here, or those of a group of imports; gives the place behind.
fn collect_path(
    tokens: &[TokenTree],
    mut at: usize,
    prefix: &[String],
    names: &mut BTreeSet<Vec<String>>,
) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && !path.is_empty() => {
                let parts: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in parts.split(|token| is_mark(token, ',')) {
                    collect_path(part, 0, &path, names);
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        match tokens.get(at..at + 2) {
            Some([first, second]) if is_mark(first, ':') && is_mark(second, ':') => at += 2,
            _ => break,
        }
    }
    if path.len() > 1 {
        names.insert(path);
    }
    at
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}
