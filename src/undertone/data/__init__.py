"""Files of rows, in whatever form they come: conversations, streamed in bounded memory."""
