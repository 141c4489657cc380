using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Prompts without a text encoder, for networks with a mask: as many tokens as the prompt has words, and one for its end.</summary>
/// <param name="tokens">Tokens of a prompt at most, L.</param>
/// <param name="width">Width of a state, D.</param>
/// <param name="seed">The seed of the states.</param>
/// <param name="weightBytes">Bytes of the weights that this stands for, in estimates.</param>
internal sealed class UntrainedTexts(int tokens, long width, int seed, long weightBytes = 0) : ITextStateEncoder
{
    public Device Device { get; private set; } = CPU;

    public int Length => tokens;

    public long WeightBytes => weightBytes;

    public TextStates Encode(IReadOnlyList<string> prompts)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor used = tensor([.. prompts.Select(prompt => Math.Min(tokens, Words(prompt) + 1L))]).unsqueeze(1);
        Tensor mask = ScalarOps.Range(tokens, dtype: ScalarType.Int64).unsqueeze(0).lt(used).to_type(ScalarType.Int64);
        return new TextStates(
            UntrainedStates.Create(prompts, tokens, width, seed).to(Device, copy: true).MoveToOuterDisposeScope(),
            mask.to(Device, copy: true).MoveToOuterDisposeScope());
    }

    public int CountTruncated(string prompt) => Math.Max(0, Words(prompt) + 1 - tokens);

    public void MoveTo(Device device) => Device = device;

    public void Release()
    {
        // There are no weights.
    }

    public void Dispose()
    {
        // There are no weights.
    }

    private static int Words(string prompt) => prompt.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
}
