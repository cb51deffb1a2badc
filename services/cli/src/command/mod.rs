//! The commands, one a file.

mod access;
pub(crate) mod audit;
pub(crate) mod certificate;
mod columns;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod dev_certs;
pub(crate) mod entry;
pub(crate) mod events;
pub(crate) mod flags;
mod import_answers;
pub(crate) mod importer;
pub(crate) mod migrate;
mod notification;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod sample;
pub(crate) mod serve;
mod several;

use clap::Subcommand;

use self::access::{key, person, tenant, whoami};
use self::notification::{case, notice, receiver, subscription};
use crate::context::{Context, Done};
use crate::failure::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Arguments),
    Serve(serve::Arguments),
    #[command(subcommand)]
    Config(config::Command),
    DevCerts(dev_certs::Arguments),
    Migrate(migrate::Arguments),
    #[command(subcommand)]
    Registry(registry::Command),
    #[command(subcommand)]
    Certificate(certificate::Command),
    #[command(subcommand)]
    Entry(entry::Command),
    #[command(subcommand)]
    Importer(importer::Command),
    #[command(subcommand)]
    Flags(flags::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Tenant(tenant::Command),
    #[command(subcommand)]
    Person(person::Command),
    #[command(subcommand)]
    Key(key::Command),
    Whoami(whoami::Arguments),
    Events(events::Arguments),
    #[command(subcommand)]
    Notice(notice::Command),
    #[command(subcommand)]
    Receiver(receiver::Command),
    #[command(subcommand)]
    Subscription(subscription::Command),
    #[command(subcommand)]
    Case(case::Command),
    #[command(subcommand)]
    Audit(audit::Command),
    Sample(sample::Arguments),
    Completions(completions::Arguments),
}

/// Runs a command to its end.
///
/// # Errors
/// Where it could not do its work.
pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let done = run_command(context, command).await;
    // Whatever came of it: what it noted until then is sealed.
    context.seal().await;
    done
}

async fn run_command(context: &Context, command: Command) -> Result<Done, Failure> {
    match command {
        Command::Demo(arguments) => demo::run(context, arguments).await,
        Command::Serve(arguments) => serve::run(context, arguments).await,
        Command::Config(command) => config::run(command),
        Command::DevCerts(arguments) => dev_certs::run(context, &arguments),
        Command::Migrate(arguments) => migrate::run(context, &arguments).await,
        Command::Registry(command) => registry::run(context, command).await,
        Command::Certificate(command) => certificate::run(context, command).await,
        Command::Entry(command) => entry::run(context, command).await,
        Command::Importer(command) => importer::run(context, command).await,
        Command::Flags(command) => flags::run(context, command).await,
        Command::Policy(command) => policy::run(context, command).await,
        Command::Tenant(command) => tenant::run(context, command).await,
        Command::Person(command) => person::run(context, command).await,
        Command::Key(command) => key::run(context, command).await,
        Command::Whoami(arguments) => whoami::run(context, arguments).await,
        Command::Notice(command) => notice::run(context, command).await,
        Command::Receiver(command) => receiver::run(context, command).await,
        Command::Subscription(command) => subscription::run(context, command).await,
        Command::Case(command) => case::run(context, command).await,
        Command::Events(arguments) => events::run(context, arguments).await,
        Command::Audit(command) => audit::run(context, command).await,
        Command::Sample(arguments) => sample::run(context, &arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
