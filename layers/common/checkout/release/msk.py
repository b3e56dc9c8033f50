"""Where the brokers of an MSK cluster are: CloudFormation cannot say."""

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, Unavailable

_ANSWERS = {
    "IAM": "BootstrapBrokerStringSaslIam",
    "SCRAM": "BootstrapBrokerStringSaslScram",
    "PLAINTEXT": "BootstrapBrokerString",
}


def brokers(config: Config) -> str:
    """`host:port,host:port`: KAFKA_BROKERS, or those of the cluster KAFKA_CLUSTER_ARN."""
    if config.kafka_cluster_arn is None:
        return ",".join(config.kafka_brokers)
    return bootstrap_brokers(config.kafka_cluster_arn, config.kafka_security)


def bootstrap_brokers(cluster_arn: str, security: str) -> str:
    """`host:port,host:port` of the listener for this security: IAM, SCRAM or PLAINTEXT.

    Raises ConfigurationError if the cluster has no such listener, Unavailable if MSK gives no answer.
    """
    # 0.5 s to import, and only here is it needed.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("kafka").get_bootstrap_brokers(ClusterArn=cluster_arn)
    except ClientError as error:
        raise Unavailable(f"MSK refuses: {error.response['Error']['Code']}.") from error
    except BotoCoreError as error:
        raise Unavailable("MSK does not answer.") from error
    found = answer.get(_ANSWERS[security])
    if not found:
        raise ConfigurationError(f"The cluster has no listener for KAFKA_SECURITY={security}; {cluster_arn}.")
    return str(found)
