"""Electronic invoices (数电票): asked for, sent, issued, and reversed when money goes back."""
