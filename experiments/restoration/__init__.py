"""Pictures that lack something, and what is put back: holes, high frequencies, more of one texture."""
