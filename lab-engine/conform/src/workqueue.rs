//! Facts about work queues and rate limiters (`workqueue.json`).
//!
//! | kind | what |
//! | --- | --- |
//! | `queue` | `add`, `get`, `done`, `len`, shutting down |
//! | `delaying` | `add_after` with a clock that is set |
//! | `rate_limiter` | what a limiter says |
//! | `rate_limiting_queue` | how long `add_rate_limited` waits |

use crate::keys::only;
use crate::{Miss, Outcome};
use client::rate_limiter::{
    BucketRateLimiter, ItemExponentialFailureRateLimiter, ItemFastSlowRateLimiter, MaxOfRateLimiter, RateLimiter, WithMaxWaitRateLimiter,
};
use client::{Next, WorkQueue};
use serde_json::Value;
use sim::Time;
use std::time::Duration;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    only("the case", case, &["id", "kind", "source", "title", "note", "limiter", "steps"])?;
    let steps = case["steps"].as_array().ok_or_else(|| Miss::Malformed("steps is no list".to_owned()))?;
    match case["kind"].as_str().unwrap_or_default() {
        "queue" | "delaying" => {
            let mut scene = Scene { queue: WorkQueue::default(), now: Time::ZERO };
            each(steps, |step| scene.step(step))
        }
        "rate_limiting_queue" => {
            let mut scene = Scene { queue: WorkQueue::new(limiter(&case["limiter"])?), now: Time::ZERO };
            each(steps, |step| scene.step(step))
        }
        "rate_limiter" => {
            let (mut limiter, mut now) = (limiter(&case["limiter"])?, Time::ZERO);
            each(steps, |step| limit(limiter.as_mut(), &mut now, step))
        }
        other => Err(Miss::Malformed(format!("unknown kind {other:?}"))),
    }
}

/// Runs the steps; a miss says in which it was.
fn each(steps: &[Value], mut run: impl FnMut(&Value) -> Outcome) -> Outcome {
    for (number, step) in steps.iter().enumerate() {
        run(step).map_err(|miss| match miss {
            Miss::Failed { at, expected, actual } => Miss::Failed { at: format!("step {number}: {at}"), expected, actual },
            other => other,
        })?;
    }
    Ok(())
}

fn millis(value: &Value, key: &str) -> Result<Duration, Miss> {
    value[key].as_u64().map(Duration::from_millis).ok_or_else(|| Miss::Malformed(format!("{key} is no number of milliseconds")))
}

fn number(value: &Value, key: &str) -> Result<u32, Miss> {
    let number = value[key].as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| Miss::Malformed(format!("{key} is no number")))
}

/// A short pause for the first calls, of whatever key, and a long one after: a limiter of upstream's tests.
#[derive(Debug)]
struct StepRateLimiter {
    base: Duration,
    max: Duration,
    left: u32,
}

impl RateLimiter<String> for StepRateLimiter {
    fn when(&mut self, _now: Time, _key: &String) -> Duration {
        if self.left == 0 {
            return self.max;
        }
        self.left -= 1;
        self.base
    }

    fn forget(&mut self, _key: &String) {}

    fn num_requeues(&self, _key: &String) -> u32 {
        0
    }
}

fn limiter(value: &Value) -> Result<Box<dyn RateLimiter<String>>, Miss> {
    Ok(match value["type"].as_str().unwrap_or_default() {
        "item_exponential_failure" => {
            only("limiter", value, &["type", "base_ms", "max_ms"])?;
            Box::new(ItemExponentialFailureRateLimiter::new(millis(value, "base_ms")?, millis(value, "max_ms")?))
        }
        "item_fast_slow" => {
            only("limiter", value, &["type", "fast_ms", "slow_ms", "max_fast"])?;
            Box::new(ItemFastSlowRateLimiter::new(millis(value, "fast_ms")?, millis(value, "slow_ms")?, number(value, "max_fast")?))
        }
        "bucket" => {
            only("limiter", value, &["type", "qps", "burst"])?;
            Box::new(BucketRateLimiter::new(number(value, "qps")?, number(value, "burst")?))
        }
        "max_of" => {
            only("limiter", value, &["type", "limiters"])?;
            let limiters = value["limiters"].as_array().into_iter().flatten().map(limiter).collect::<Result<_, _>>()?;
            Box::new(MaxOfRateLimiter::new(limiters))
        }
        "with_max_wait" => {
            only("limiter", value, &["type", "max_ms", "limiter"])?;
            Box::new(WithMaxWaitRateLimiter::new(limiter(&value["limiter"])?, millis(value, "max_ms")?))
        }
        "step" => {
            only("limiter", value, &["type", "base_ms", "max_ms", "threshold"])?;
            let (base, max) = (millis(value, "base_ms")?, millis(value, "max_ms")?);
            Box::new(StepRateLimiter { base, max, left: number(value, "threshold")? })
        }
        other => return Err(Miss::Malformed(format!("unknown limiter {other:?}"))),
    })
}

fn item(step: &Value) -> Result<String, Miss> {
    step["item"].as_str().map(str::to_owned).ok_or_else(|| Miss::Malformed("item is no text".to_owned()))
}

fn limit(limiter: &mut dyn RateLimiter<String>, now: &mut Time, step: &Value) -> Outcome {
    let expect = &step["expect"];
    only("expect", expect, &["ms", "n"])?;
    match step["op"].as_str().unwrap_or_default() {
        "when" => {
            only("the step", step, &["op", "item", "expect"])?;
            let said = limiter.when(*now, &item(step)?);
            if expect["ms"].is_null() { Ok(()) } else { Miss::unless_equal("ms", &millis(expect, "ms")?, &said) }
        }
        "when_repeat" => {
            only("the step", step, &["op", "item", "count"])?;
            for _ in 0..number(step, "count")? {
                limiter.when(*now, &item(step)?);
            }
            Ok(())
        }
        "when_each" => {
            only("the step", step, &["op", "items_from", "items_to", "expect"])?;
            for number in number(step, "items_from")?..=number(step, "items_to")? {
                Miss::unless_equal(format!("item {number}"), &millis(expect, "ms")?, &limiter.when(*now, &number.to_string()))?;
            }
            Ok(())
        }
        "num_requeues" => {
            only("the step", step, &["op", "item", "expect"])?;
            Miss::unless_equal("n", &number(expect, "n")?, &limiter.num_requeues(&item(step)?))
        }
        "forget" => {
            only("the step", step, &["op", "item"])?;
            limiter.forget(&item(step)?);
            Ok(())
        }
        "advance" => {
            only("the step", step, &["op", "ms"])?;
            *now = now.saturating_add(millis(step, "ms")?);
            Ok(())
        }
        other => Err(Miss::Malformed(format!("unknown op {other:?}"))),
    }
}

/// A queue and its clock.
struct Scene {
    queue: WorkQueue<String>,
    now: Time,
}

impl Scene {
    fn step(&mut self, step: &Value) -> Outcome {
        let expect = &step["expect"];
        only("the step", step, &["op", "item", "ms", "expect"])?;
        only("expect", expect, &["len", "item", "would_block", "shutdown", "returns", "returned", "delay_ms", "n"])?;
        match step["op"].as_str().unwrap_or_default() {
            "add" => self.queue.add(item(step)?),
            "add_after" => self.queue.add_after(self.now, item(step)?, millis(step, "ms")?),
            "add_rate_limited" => {
                let delay = self.queue.add_rate_limited(self.now, item(step)?);
                return Miss::unless_equal("delay_ms", &millis(expect, "delay_ms")?, &delay);
            }
            "advance" => self.now = self.now.saturating_add(millis(step, "ms")?),
            "done" => self.queue.done(&item(step)?),
            "forget" => self.queue.forget(&item(step)?),
            "num_requeues" => return Miss::unless_equal("n", &number(expect, "n")?, &self.queue.num_requeues(&item(step)?)),
            // Nothing blocks here.
            "shut_down" => self.queue.shut_down(),
            "shut_down_with_drain_async" => self.queue.shut_down_with_drain(),
            "drain_returned" => {
                return Miss::unless_equal("returned", &expect["returned"].as_bool(), &Some(self.queue.drained()));
            }
            "len" => {
                self.queue.advance(self.now);
                return Miss::unless_equal("len", &expect["len"].as_u64(), &Some(self.queue.len() as u64));
            }
            "get" => return self.get(expect),
            other => return Err(Miss::Malformed(format!("unknown op {other:?}"))),
        }
        Ok(())
    }

    fn get(&mut self, expect: &Value) -> Outcome {
        let wanted = match (expect["item"].as_str(), expect["would_block"] == true, expect["shutdown"] == true) {
            (Some(item), false, false) => Next::Item(item.to_owned()),
            (None, true, false) => Next::WouldBlock,
            (None, false, true) => Next::ShutDown,
            _ => return Err(Miss::Malformed("get expects an item, would_block or shutdown".to_owned())),
        };
        Miss::unless_equal("get", &wanted, &self.queue.next(self.now))
    }
}
