package com.amazonaws.services.lambda.runtime;

import java.io.IOException;

/** The logger of the process. */
public final class LambdaRuntime {
    /* The runtime puts its own here. */
    private static volatile LambdaLogger logger = new LambdaLogger() {
        @Override
        public void log(String message) {
            System.out.print(message);
            System.out.flush();
        }

        @Override
        public void log(byte[] message) {
            try {
                System.out.write(message);
            } catch (IOException e) {
                System.out.flush(); /* PrintStream throws none */
            }
        }
    };

    private LambdaRuntime() {}

    public static LambdaLogger getLogger() {
        return logger;
    }
}
