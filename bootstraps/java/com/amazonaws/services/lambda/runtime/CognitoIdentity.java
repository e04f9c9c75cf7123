package com.amazonaws.services.lambda.runtime;

/** The Amazon Cognito identity of the caller; its members may be null. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
