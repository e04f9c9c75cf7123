package virga;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.Constructor;

/** Frames over a descriptor, see src/runtime/frame.h. For one thread, but for frames of the end. */
final class Channel {
    static final int INVOKE = 2;
    static final int READY = 16;
    static final int INIT_ERROR = 17;
    static final int RESPONSE = 18;
    static final int ERROR = 19;
    static final int BOOTED = 20;
    static final int STREAM_HEAD = 21;
    static final int STREAM_CHUNK = 22;
    static final int STREAM_END = 23;
    static final int LAST = 24;
    static final int CHUNK_MAX = 64 * 1024;

    private static final int HEADER_SIZE = 12;

    /** A payload with room for its header before it, so that one write sends both. */
    static final class Answer extends ByteArrayOutputStream {
        Answer() {
            this(1024);
        }

        Answer(int size) {
            super(HEADER_SIZE + size);
            reset();
        }

        @Override
        public synchronized void reset() {
            count = HEADER_SIZE;
        }

        private byte[] framed(int type, int seq) {
            put(0, count - HEADER_SIZE);
            put(4, type);
            put(8, seq);
            return buf;
        }

        private int total() {
            return count;
        }

        private void put(int offset, int value) {
            for (int i = 0; i < 4; i++) buf[offset + i] = (byte) (value >>> 8 * i);
        }
    }

    private final FileInputStream in;
    private final FileOutputStream out;
    private final byte[] buffer = new byte[8192]; /* what FileInputStream reads without malloc */
    private int begin;
    private int end;
    int type;
    int seq;
    byte[] payload;

    /** Java has no way to open a descriptor by number but this constructor (the manifest opens it). */
    Channel(int number) throws ReflectiveOperationException {
        Constructor<FileDescriptor> maker = FileDescriptor.class.getDeclaredConstructor(int.class);
        maker.setAccessible(true);
        FileDescriptor fd = maker.newInstance(Integer.valueOf(number));
        in = new FileInputStream(fd);
        out = new FileOutputStream(fd);
    }

    private void fill(byte[] to, int size) throws IOException {
        int at = 0;
        while (at < size) {
            if (begin < end) {
                int count = Math.min(size - at, end - begin);
                System.arraycopy(buffer, begin, to, at, count);
                begin += count;
                at += count;
            } else if (size - at >= buffer.length) {
                int count = in.read(to, at, size - at);
                if (count < 0) throw new EOFException();
                at += count;
            } else {
                begin = 0;
                end = Math.max(0, in.read(buffer));
                if (end == 0) throw new EOFException();
            }
        }
    }

    private static int number(byte[] bytes, int at) {
        return bytes[at] & 255 | (bytes[at + 1] & 255) << 8 | (bytes[at + 2] & 255) << 16 | bytes[at + 3] << 24;
    }

    /** The next frame, in type, seq and payload; false: the platform has gone. */
    boolean receive() throws IOException {
        byte[] header = new byte[HEADER_SIZE];
        try {
            fill(header, HEADER_SIZE);
            int size = number(header, 0);
            type = header[4];
            seq = number(header, 8);
            payload = new byte[size];
            fill(payload, size);
            return true;
        } catch (EOFException e) {
            return false;
        }
    }

    synchronized void send(int type, int seq, Answer answer) throws IOException {
        byte[] bytes = answer.framed(type, seq);
        out.write(bytes, 0, answer.total());
    }

    synchronized void send(int type, int seq, byte[] bytes, int from, int count) throws IOException {
        Answer frame = new Answer(count);
        frame.write(bytes, from, count);
        send(type, seq, frame);
    }

    void send(int type, int seq) throws IOException {
        send(type, seq, new Answer(0));
    }
}
