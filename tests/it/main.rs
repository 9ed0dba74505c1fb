//! Tests of netkin as users meet it: over HTTP, on the command line, and in its own source.

mod command_line;
mod floors;
mod http;
mod release;
