//! The accounts of the limiter, in Redis.
//!
//! ```text
//! limit:{deployment}:{what}:{tenant}   when the account is even, in microseconds of Redis' clock
//! ```

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Value, cmd};

use super::link::Link;
use super::options::{Options, OptionsError};
use crate::limiter::{Account, Block, Blocks, Rate};
use crate::stats::Stats;

/// What [`Rate::take`] decides, by Redis' clock, so that no process's clock matters. Arguments: microseconds that one unit
/// takes to come back, units of a burst, the cost, units more where they fit. Answers units that were taken, microseconds to
/// wait, units left. It leaves a key behind for no longer than something is owed.
const TAKE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local unit, burst, cost, more = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local even = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') or 0, now)
local room = burst - (even - now) / unit
local need = math.min(cost, burst)
if room + 0.001 < need then
  return {0, math.ceil((need - room) * unit), math.max(0, math.floor(room))}
end
more = math.max(0, math.min(more, math.floor(room - need)))
even = even + (cost + more) * unit
if even > now then
  redis.call('SET', KEYS[1], string.format('%.3f', even), 'PX', math.ceil((even - now) / 1000) + 1)
end
return {cost + more, 0, math.max(0, math.floor(burst - (even - now) / unit + 0.001))}
";

/// Accounts in Redis.
#[derive(Debug)]
pub struct RedisBlocks {
    link: Arc<Link>,
    deployment: String,
}

impl RedisBlocks {
    /// Over these servers; no connection is made yet.
    ///
    /// # Errors
    /// The options cannot be meant.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        Ok(Self {
            deployment: options.deployment.clone(),
            link: Link::new(options, Arc::new(Stats::default()))?,
        })
    }

    fn key(&self, account: &Account) -> String {
        format!(
            "limit:{}:{}:{}",
            self.deployment,
            account.what(),
            account.tenant()
        )
    }
}

impl Blocks for RedisBlocks {
    async fn take(&self, account: &Account, rate: Rate, cost: u32, more: u32) -> Option<Block> {
        let mut take = cmd("EVAL");
        take.arg(TAKE)
            .arg(1)
            .arg(self.key(account))
            .arg(1_000_000.0 / f64::from(rate.per_second()))
            .arg(rate.burst())
            .arg(cost)
            .arg(more);
        // Whoever is let in without the shared accounts is counted here: a failure refuses nobody.
        let answers = self
            .link
            .ask(&[take], self.link.options.call_timeout)
            .await
            .ok()?;
        let block = answers.first().and_then(read);
        match &block {
            Some(_) => self.link.sound(),
            None => self.link.unsound(&"an account that cannot be read"),
        }
        block
    }
}

fn read(answer: &Value) -> Option<Block> {
    let Value::Array(numbers) = answer else {
        return None;
    };
    let [Value::Int(units), Value::Int(wait), Value::Int(left)] = numbers.as_slice() else {
        return None;
    };
    if *wait > 0 {
        return Some(Block::Refused {
            retry_after: Duration::from_micros(wait.unsigned_abs()),
        });
    }
    Some(Block::Given {
        units: u32::try_from(*units).ok()?,
        left: u32::try_from(*left).ok()?,
    })
}
