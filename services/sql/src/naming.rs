//! Statements that say in a database's log where they are from.

/// Declares the statements of a module, and `STATEMENTS`, the list of them that a test prepares. Each opens with a
/// comment of crate and name, so that logs of slow queries point at the code. The name of the transaction is not in it:
/// a text used in two would be two texts, prepared twice.
///
/// ```text
/// statements! {
///     /// What was said before.
///     const SELECT_ANSWER: &str = "SELECT …";
/// }
/// ```
#[macro_export]
macro_rules! statements {
    ($($(#[$attribute:meta])* $visibility:vis const $name:ident: &str = $text:expr;)+) => {
        $(
            $(#[$attribute])*
            $visibility const $name: &str =
                concat!("/* ", env!("CARGO_PKG_NAME"), ".", stringify!($name), " */ ", $text);
        )+

        /// Every one of them.
        #[allow(dead_code, reason = "a test prepares them")]
        pub(crate) const STATEMENTS: &[&str] = &[$($name),+];
    };
}

/// Does on the engine of a location what is written once for both, in a module that has one `sqlite` and one
/// `postgres`: `on_engine!(location, engine, place => engine::Store::open(place, update).await)`.
#[macro_export]
macro_rules! on_engine {
    ($location:expr, $engine:ident, $place:ident => $body:expr) => {
        match $location {
            $crate::Location::Folder($place) => {
                use self::sqlite as $engine;
                $body
            }
            $crate::Location::Postgres($place) => {
                use self::postgres as $engine;
                $body
            }
        }
    };
}
