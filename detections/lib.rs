//! The rules that ship inside Virga, each beside its cases.
