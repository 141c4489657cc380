namespace Microsoft.ML.VideoAlignment;

/// <summary>A reward, or what was handed to it, breaks the reward's contract. The message says what was expected, what came, and what to try.</summary>
public sealed class RewardContractException : InvalidOperationException
{
    /// <summary>An exception without a message.</summary>
    public RewardContractException()
    {
    }

    /// <summary>An exception with a message.</summary>
    /// <param name="message">What was expected, what came, and what to try.</param>
    public RewardContractException(string message)
        : base(message)
    {
    }

    /// <summary>An exception with a message and its cause.</summary>
    /// <param name="message">What was expected, what came, and what to try.</param>
    /// <param name="innerException">The cause.</param>
    public RewardContractException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
