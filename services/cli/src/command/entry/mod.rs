//! `nopic entry`: lines of entries, judged and on record.

mod before;
mod file;
mod record;
mod resuming;
mod set_aside;
mod statistics;
mod trail;
mod validate;
mod validated;

pub(crate) use file::file_quietly;
pub(crate) use validate::{Reading, sentences, summary, validate};
pub(crate) use validated::Validated;

use crate::command::columns;
use crate::context::{Context, Done};
use crate::failure::Failure;

/// Entry lines: may they be filed as organic?
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic entry validate entries.abi"
)]
pub(crate) enum Command {
    Validate(validate::Arguments),
    File(file::Arguments),
    Import(file::ImportArguments),
    Show(record::ShowArguments),
    Decisions(record::DecisionsArguments),
    List(set_aside::Arguments),
    Explain(record::ExplainArguments),
    Amend(record::AmendArguments),
    Cancel(record::CancelArguments),
    Statistics(statistics::Arguments),
    Columns(ColumnsArguments),
    Trail(trail::TrailArguments),
    Document(trail::DocumentArguments),
    Custody(trail::CustodyArguments),
    Statement(trail::StatementArguments),
    Withdraw(trail::WithdrawArguments),
}

/// List the columns of files of entry lines, or write a file to fill in
///
/// The names are those of JSON lines, of the header of a CSV and of that of a workbook.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  nopic entry columns\n  \
        nopic entry columns --template entries.xlsx")]
pub(crate) struct ColumnsArguments {
    #[command(flatten)]
    options: columns::Options,
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    match command {
        Command::Validate(arguments) => validate::run(context, arguments).await,
        Command::File(arguments) => file::run(context, arguments).await,
        Command::Import(arguments) => file::import(context, arguments).await,
        Command::Show(arguments) => record::show(context, arguments).await,
        Command::Decisions(arguments) => record::decisions(context, arguments).await,
        Command::List(arguments) => set_aside::run(context, arguments).await,
        Command::Explain(arguments) => record::explain(context, arguments).await,
        Command::Amend(arguments) => record::amend(context, arguments).await,
        Command::Cancel(arguments) => record::cancel(context, arguments).await,
        Command::Statistics(arguments) => statistics::run(context, arguments).await,
        Command::Columns(arguments) => columns::list(
            context,
            &arguments.options,
            &nopic_formats::columns::entry_columns(),
        ),
        Command::Trail(arguments) => trail::trail(context, arguments).await,
        Command::Document(arguments) => trail::document(context, arguments).await,
        Command::Custody(arguments) => trail::custody(context, arguments).await,
        Command::Statement(arguments) => trail::statement(context, arguments).await,
        Command::Withdraw(arguments) => trail::withdraw(context, arguments).await,
    }
}
