"""Who may do what: identities of servers, publishers and CI, without keys."""
