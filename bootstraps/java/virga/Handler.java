package virga;

import java.io.OutputStream;

/** What answers invocations: reads the event, appends the result. Throws what user code throws. */
interface Handler {
    void handle(Invocation invocation, OutputStream answer) throws Throwable;
}
