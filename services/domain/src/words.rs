//! Enumerations of which each value has one word: on the wire, in files, in the store.

/// Defines an enumeration and the word of each of its values, with `ALL`, `as_str`, `parse` and `Display`.
///
/// ```
/// nopic_domain::words! {
///     /// What a broker asks for.
///     #[derive(Debug, Clone, Copy, PartialEq, Eq)]
///     pub enum Action {
///         /// A new entry.
///         Add = "ADD",
///         /// Another in its place.
///         Replace = "REPLACE",
///     }
/// }
/// assert_eq!(Action::parse("REPLACE"), Some(Action::Replace));
/// assert_eq!(Action::parse("replace"), None);
/// assert_eq!(Action::ALL.map(Action::as_str), ["ADD", "REPLACE"]);
/// ```
#[macro_export]
macro_rules! words {
    (
        $(#[$of_all:meta])*
        $visibility:vis enum $name:ident { $($(#[$of_value:meta])* $value:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[$of_all])*
        $visibility enum $name {
            $($(#[$of_value])* $value),+
        }

        #[allow(dead_code, reason = "an enumeration for one module may not need all of it")]
        impl $name {
            /// Every value, in order.
            $visibility const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// Its word.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }

            /// The value of exactly this word.
            #[must_use]
            $visibility fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$value),)+
                    _ => None,
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
