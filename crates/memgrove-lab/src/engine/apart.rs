//! Work on a thread of its own, waited for no longer than it may take. An engine's compiler cannot be interrupted, nor
//! can an interpreter without fuel or a thread that waits in `memory.atomic.wait`: such a thread is left to itself, and
//! goes with the process. What it has taken of the budget stays taken.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::EngineError;

/// An engine ends what it can end itself, with a better error; this much later it is given up.
const GRACE: Duration = Duration::from_secs(2);

/// Stack for the host's part of a call, beside that for WebAssembly.
const HOST_STACK_BYTES: usize = 8 << 20;

/// Modules smaller than this are compiled before a second thread has begun.
const LARGE_BYTES: usize = 1 << 20;

/// Each thread may have the largest function of a module in hand, which takes a hundred times its size.
const MOST_COMPILING: usize = 4;

type Order<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A value that lives on a thread of its own.
pub(super) struct Apart<T> {
    /// `None` when the thread was given up.
    orders: Option<Sender<Order<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: 'static> Apart<T> {
    /// Starts the thread and makes the value there.
    pub(super) fn start(
        wasm_stack_bytes: usize,
        limit: Duration,
        make: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    ) -> Result<Self, EngineError> {
        let (orders, received) = channel::<Order<T>>();
        let (made, outcome) = channel();
        let work = move || {
            let mut value = match make() {
                Ok(value) => value,
                Err(error) => return made.send(Err(error)).unwrap_or(()),
            };
            if made.send(Ok(())).is_ok() {
                received.into_iter().for_each(|order| order(&mut value));
            }
        };
        let stack = HOST_STACK_BYTES + wasm_stack_bytes;
        let thread = Builder::new().stack_size(stack).spawn(work).map_err(EngineError::engine)?;
        wait(&outcome, limit)??;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Does something with the value there.
    pub(super) fn run<R: Send + 'static>(
        &mut self,
        limit: Duration,
        order: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let orders = self.orders.as_ref().ok_or_else(|| {
            EngineError::engine("this instance was given up, because a call of it did not end")
        })?;
        let (done, outcome) = channel();
        let order: Order<T> = Box::new(move |value| drop(done.send(order(value))));
        orders.send(order).map_err(|_| EngineError::engine("its thread has ended"))?;
        let outcome = wait(&outcome, limit);
        if outcome.is_err() {
            self.orders = None;
            self.thread = None;
        }
        outcome
    }
}

impl<T> Drop for Apart<T> {
    /// Waits until the value is gone, so that what it took of the budget is there again.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported as an error.
            let _ = thread.join();
        }
    }
}

/// Runs what compiles `size_bytes`, and nothing else: with several threads of its own if it is large, so that what is
/// given up does not keep others waiting.
pub(super) fn compile<R: Send + 'static>(
    size_bytes: usize,
    limit: Duration,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, EngineError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if size_bytes < LARGE_BYTES { 1 } else { cores.min(MOST_COMPILING) };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(HOST_STACK_BYTES)
        .panic_handler(|_| {}) // seen as a channel that closed
        .build()
        .map_err(EngineError::engine)?;
    let (done, outcome) = channel();
    pool.spawn(move || drop(done.send(work())));
    wait(&outcome, limit)
}

fn wait<R>(outcome: &Receiver<R>, limit: Duration) -> Result<R, EngineError> {
    outcome.recv_timeout(limit.saturating_add(GRACE)).map_err(|error| match error {
        RecvTimeoutError::Timeout => EngineError::Timeout { limit },
        RecvTimeoutError::Disconnected => EngineError::engine("its thread panicked"),
    })
}

#[cfg(test)]
mod tests {
    use std::thread::{park, sleep};

    use super::*;

    #[test]
    fn a_value_is_kept_between_orders() {
        let second = Duration::from_secs(60);
        let mut apart = Apart::start(0, second, || Ok(1)).unwrap();
        assert_eq!(apart.run(second, |value| std::mem::replace(value, 2)), Ok(1));
        assert_eq!(apart.run(second, |value| *value), Ok(2));
    }

    #[test]
    fn what_does_not_end_is_given_up() {
        let limit = Duration::from_millis(10);
        let mut apart = Apart::start(0, limit, || Ok(())).unwrap();
        let outcome = apart.run(limit, |()| {
            loop {
                park()
            }
        });
        assert_eq!(outcome, Err(EngineError::Timeout { limit }));
        assert!(matches!(apart.run(limit, |()| ()), Err(EngineError::Engine { .. })));
        drop(apart);
        assert_eq!(compile(1, limit, || sleep(GRACE * 3)), Err(EngineError::Timeout { limit }));
    }

    #[test]
    fn a_panic_is_an_error() {
        let limit = Duration::from_secs(60);
        let mut apart = Apart::start(0, limit, || Ok(0)).unwrap();
        assert!(matches!(
            apart.run(limit, |_| panic!("as wanted")),
            Err::<(), _>(EngineError::Engine { .. })
        ));
        let outcome = compile(1, limit, || panic!("as wanted"));
        assert!(matches!(outcome, Err::<(), _>(EngineError::Engine { .. })));
    }
}
