//! HTTP for the Buttress suite.
