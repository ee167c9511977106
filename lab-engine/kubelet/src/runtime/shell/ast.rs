//! The syntax tree of a script. Shared by reference, so that a frame of the interpreter can hold the part it is in.

use std::sync::Arc;

/// Commands that follow one another.
pub(crate) type List = Arc<Vec<Item>>;

/// `a && b || c`, perhaps in the background.
#[derive(Debug)]
pub(crate) struct Item {
    /// Each with the condition on the status before it: `None` for the first, `Some(true)` after `&&`.
    pub(crate) parts: Vec<(Option<bool>, Arc<Pipeline>)>,
    pub(crate) background: bool,
}

/// `! a | b`.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) negated: bool,
    pub(crate) commands: Vec<Arc<Command>>,
}

/// A command with its redirections.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) kind: Kind,
    pub(crate) redirects: Vec<Redirect>,
}

/// What kind of command it is.
#[derive(Debug)]
pub(crate) enum Kind {
    Simple {
        assignments: Vec<(String, Word)>,
        words: Vec<Word>,
    },
    /// Conditions with their bodies, and the body of `else`.
    If {
        clauses: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    While {
        until: bool,
        condition: List,
        body: List,
    },
    /// Without words: over the parameters.
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: List,
    },
    Case {
        word: Word,
        arms: Vec<(Vec<Word>, List)>,
    },
    Group(List),
    Subshell(List),
    Function {
        name: String,
        body: Arc<Command>,
    },
}

/// Where a descriptor goes.
#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) fd: u8,
    pub(crate) to: Target,
}

/// The other side of a redirection.
#[derive(Debug)]
pub(crate) enum Target {
    Read(Word),
    Write(Word),
    Append(Word),
    /// `2>&1`.
    Duplicate(u8),
    /// `<<EOF`, `<<<`.
    Here(Word),
}

/// A word, in parts.
pub(crate) type Word = Vec<Part>;

/// A part of a word.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal {
        text: String,
        quoted: bool,
    },
    /// `$NAME`, `${NAME}`, `${NAME:-word}`, …
    Variable {
        name: String,
        operation: Option<(String, Word)>,
        quoted: bool,
    },
    /// `${#NAME}`.
    Length(String),
    /// `${NAME[INDEX]}`, or `${#NAME[INDEX]}`; the index `@` or `*` stands for all elements.
    Element {
        name: String,
        index: Word,
        length: bool,
        quoted: bool,
    },
    /// `(a b c)` as the value of an assignment.
    Array(Vec<Word>),
    /// `$(…)`.
    Command {
        list: List,
        quoted: bool,
    },
    /// `$((…))`.
    Arithmetic {
        expression: Word,
        quoted: bool,
    },
}
