//! What a call holds of its layer.

use std::{
    fmt,
    mem::{self, ManuallyDrop},
    ops::Deref,
    sync::Arc,
};

/// What a call holds of its layer, while it calls the inner service.
///
/// A layer could simply have an `Arc` in a variable. This is one that leaves nothing to clean up where
/// the inner service's `call` panics: then the compiler lets the inner future be written where it
/// stays, inside that of the layer, and else into a variable, to be moved from there. In a stack each
/// layer would move all that are inside it, right after they were written, and a processor waits for
/// its own writes: in one of five layers this took longer than what they do.
///
/// For that the rest has to be so, too: what comes of [`call`](Self::call) goes into the layer's future
/// in the same block, in a function that makes no other one, and nothing else that would have to be
/// dropped is there meanwhile.
#[must_use = "what it holds is not given back unless it is anchored"]
pub struct Anchor<T>(ManuallyDrop<Anchored<T>>);

/// What a call holds of its layer.
// None once the inner service has panicked: then there is no future that could have it.
pub struct Anchored<T>(Option<Arc<T>>);

impl<T> Anchor<T> {
    /// Holds this.
    #[inline]
    pub fn new(shared: Arc<T>) -> Self {
        Self(ManuallyDrop::new(Anchored(Some(shared))))
    }

    /// Calls the inner service by `call`.
    #[inline]
    pub fn call<Req, R>(&mut self, request: Req, call: impl FnOnce(Req) -> R) -> R {
        self.call_or(|_| {}, request, call)
    }

    /// Calls the inner service by `call`; if it panics, runs `panicked` before what is held is let go.
    // Not inlined, or the cleaning up would be its caller's. The request is no part of the closure, into
    // which it would be moved.
    #[inline(never)]
    pub fn call_or<Req, R>(
        &mut self,
        mut panicked: impl FnMut(&T),
        request: Req,
        call: impl FnOnce(Req) -> R,
    ) -> R {
        let letting_go = LettingGo { anchored: &mut self.0, panicked: &mut panicked };
        let result = call(request);
        mem::forget(letting_go);
        result
    }

    /// What is held, now that the inner service was called.
    #[inline]
    pub fn anchored(self) -> Anchored<T> {
        ManuallyDrop::into_inner(self.0)
    }
}

/// Dropped only by a panic.
struct LettingGo<'a, T, F: FnMut(&T)> {
    anchored: &'a mut Anchored<T>,
    panicked: &'a mut F,
}

impl<T, F: FnMut(&T)> Drop for LettingGo<'_, T, F> {
    fn drop(&mut self) {
        // Let go also if this panics.
        if let Some(shared) = self.anchored.0.take() {
            (self.panicked)(&shared);
        }
    }
}

impl<T> Deref for Anchored<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_deref().expect("only a panic takes it")
    }
}

impl<T> fmt::Debug for Anchor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchor").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Anchored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchored").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn what_is_held_is_given_back_with_the_call() {
        let shared = Arc::new(7);
        let mut anchor = Anchor::new(Arc::clone(&shared));
        assert_eq!(anchor.call("request", str::len), 7);
        let anchored = anchor.anchored();
        assert_eq!((*anchored, Arc::strong_count(&shared)), (7, 2));
        drop(anchored);
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    /// By a panic, too, and after whoever asked for it has seen it.
    #[test]
    fn a_panic_gives_it_back() {
        let shared = Arc::new(7);
        let mut anchor = Anchor::new(Arc::clone(&shared));
        let mut seen = None;
        let panics = || anchor.call_or(|shared| seen = Some(*shared), (), |()| panic!("inner"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!((seen, Arc::strong_count(&shared)), (Some(7), 1));
    }

    /// Nor does the call keep what the one holds who is asked only if it panics.
    #[test]
    fn who_waits_for_a_panic_is_given_back_with_the_call() {
        let mine = Arc::new(7);
        let held = Arc::clone(&mine);
        let mut anchor = Anchor::new(Arc::new(()));
        anchor.call_or(move |()| drop(Arc::clone(&held)), (), |()| ());
        drop(anchor.anchored());
        assert_eq!(Arc::strong_count(&mine), 1);
    }
}
