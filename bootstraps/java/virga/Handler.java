package virga;

import java.io.OutputStream;

/** What answers invocations: reads the event, writes the result. Throws what user code throws. */
interface Handler {
    void handle(Invocation invocation, OutputStream answer) throws Throwable;

    /** User code writes the bytes of the answer itself, which are sent as they come. */
    default boolean isStreaming() {
        return false;
    }
}
