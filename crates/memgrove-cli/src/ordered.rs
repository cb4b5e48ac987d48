//! Many pieces of work at once, their results in order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

/// Runs `work` on every item in the threads of rayon's pool and hands the results, in the order of the
/// items, to `take` in this thread, until it breaks.
///
/// No more than `window` items are under way or waiting for one before them, so that what they hold in memory is
/// bounded however many there are.
pub(crate) fn for_each_ordered<T: Sync, R: Send, B>(
    items: &[T],
    window: usize,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(R) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let (work, stopped) = (&work, &AtomicBool::new(false));
    rayon::in_place_scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let start = |index: usize| {
            if let Some(item) = items.get(index) {
                let sender = sender.clone();
                scope.spawn(move |_| {
                    if !stopped.load(Ordering::Relaxed) {
                        // The receiver lives as long as results are wanted.
                        let _ = sender.send((index, work(item)));
                    }
                });
            }
        };
        (0..window).for_each(start);
        let mut waiting = BTreeMap::new();
        for next in 0..items.len() {
            let result = loop {
                if let Some(result) = waiting.remove(&next) {
                    break result;
                }
                match receiver.recv() {
                    Ok((index, result)) => _ = waiting.insert(index, result),
                    // Cannot be: this function holds a sender.
                    Err(mpsc::RecvError) => return ControlFlow::Continue(()),
                }
            };
            start(next + window);
            if let ControlFlow::Break(reason) = take(result) {
                stopped.store(true, Ordering::Relaxed);
                return ControlFlow::Break(reason);
            }
        }
        ControlFlow::Continue(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_and_few_are_under_way() {
        let items: Vec<u64> = (0..50).collect();
        let (started, taken, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let mut seen = Vec::new();
        let work = |item: &u64| {
            let ahead = started.fetch_add(1, Ordering::SeqCst) + 1 - taken.load(Ordering::SeqCst);
            most.fetch_max(ahead, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(item * 7 % 5 * 100));
            *item
        };
        let done = for_each_ordered(&items, 4, work, |item| {
            seen.push(item);
            taken.fetch_add(1, Ordering::SeqCst);
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(done, ControlFlow::Continue(()));
        assert_eq!(seen, items);
        // One more: an item starts just before the one it makes room for counts as taken.
        assert!(most.into_inner() <= 5);
    }

    #[test]
    fn a_break_ends_it() {
        let items: Vec<u32> = (0..1000).collect();
        let done_work = AtomicUsize::new(0);
        let work = |item: &u32| {
            done_work.fetch_add(1, Ordering::SeqCst);
            *item
        };
        let broken = for_each_ordered(&items, 2, work, |item| match item {
            3 => ControlFlow::Break("enough"),
            _ => ControlFlow::Continue(()),
        });
        assert_eq!(broken, ControlFlow::Break("enough"));
        assert!(done_work.into_inner() < 10);
    }

    #[test]
    fn nothing_to_do_is_done() {
        assert!(for_each_ordered(&[] as &[u8], 3, |x| *x, |_| ControlFlow::<()>::Continue(())).is_continue());
    }
}
