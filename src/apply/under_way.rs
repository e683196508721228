//! Says at debug level which long step is under way, so that whoever watches a hub, or kills one,
//! sees what it was doing. It measures nothing and decides nothing.

/// A step under way: says so when it is made, and that it has ended when it is dropped.
#[derive(Debug)]
pub struct UnderWay {
    step: &'static str,
    of: String,
}

impl UnderWay {
    /// The step begins; `of` names what it works on.
    #[must_use]
    pub fn begin(step: &'static str, of: String) -> Self {
        tracing::debug!(step, of, "begins");
        Self { step, of }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        tracing::debug!(step = self.step, of = self.of, "ended");
    }
}
