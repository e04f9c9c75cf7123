package virga;

import java.io.IOException;
import java.io.OutputStream;

/**
 * What a handler writes its answer to: the bytes go to the platform as they are written, and from
 * there to who called, where that is a stream; else the platform gathers them. Arrays are sent at
 * once, single bytes with the next array or flush().
 *
 * The head goes with the first bytes: what is thrown before is an error like any other.
 */
final class Stream extends OutputStream {
    private static final byte[] TYPE = {
        'a', 'p', 'p', 'l', 'i', 'c', 'a', 't', 'i', 'o', 'n', '/', 'o', 'c', 't', 'e', 't', '-',
        's', 't', 'r', 'e', 'a', 'm',
    };
    private static final int SINGLES_MAX = 1024;

    private final Channel channel;
    private final int seq;
    private final byte[] singles = new byte[SINGLES_MAX];
    private int singleCount;
    private boolean isBegun;
    private boolean isClosed;

    Stream(Channel channel, int seq) {
        this.channel = channel;
        this.seq = seq;
    }

    @Override
    public synchronized void write(int value) throws IOException {
        check();
        singles[singleCount++] = (byte) value;
        if (singleCount == SINGLES_MAX) flush();
    }

    @Override
    public synchronized void write(byte[] bytes, int from, int count) throws IOException {
        if ((from | count | from + count | bytes.length - from - count) < 0) throw new IndexOutOfBoundsException();
        check();
        flush();
        send(bytes, from, count);
    }

    /** Nothing to do behind the end, where wrappers flush once more. */
    @Override
    public synchronized void flush() throws IOException {
        int count = singleCount;
        singleCount = 0;
        send(singles, 0, count);
    }

    /** The answer is whole; the handler may work on. */
    @Override
    public synchronized void close() throws IOException {
        if (isClosed) return;
        flush();
        begin();
        isClosed = true;
        channel.send(Channel.STREAM_END, seq);
    }

    /** The handler has failed: an ERROR takes the end's place, and what threads still write is refused. */
    synchronized void stop() {
        isClosed = true;
        singleCount = 0;
    }

    private void check() throws IOException {
        if (isClosed) throw new IOException("Stream closed");
    }

    private void begin() throws IOException {
        if (isBegun) return;
        isBegun = true;
        channel.send(Channel.STREAM_HEAD, seq, TYPE, 0, TYPE.length);
    }

    private void send(byte[] bytes, int from, int count) throws IOException {
        if (count == 0) return;
        begin();
        for (int at = 0; at < count; at += Channel.CHUNK_MAX)
            channel.send(Channel.STREAM_CHUNK, seq, bytes, from + at, Math.min(Channel.CHUNK_MAX, count - at));
    }
}
