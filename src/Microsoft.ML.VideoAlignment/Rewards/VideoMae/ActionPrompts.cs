using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Rewards.VideoMae;

/// <summary>
/// Which label of an action classifier a prompt asks for. First the prompt that is a label; then the user's texts, the longest that the prompt holds; then the
/// table of VADER's released code (actpred_scorer.py of commit adaf2ef), in its order.
/// </summary>
/// <remarks>Texts are compared as written.</remarks>
internal sealed class ActionPrompts
{
    private static readonly (string Text, string Label)[] s_released =
    [
        ("piano", "playing piano"),
        ("guitar", "playing guitar"),
        ("doughnuts", "eating doughnuts"),
        ("beer", "drinking beer"),
        ("badminton", "playing badminton"),
        ("cello", "playing cello"),
        ("scooter", "riding scooter"),
        ("ballet", "dancing ballet"),
        ("pancake", "flipping pancake"),
        ("violin", "playing violin"),
        ("wood", "chopping wood"),
        ("watermelon", "eating watermelon"),
        ("jogging", "jogging"),
    ];

    private readonly LabelTable _labels;
    private readonly (string Text, string Label)[] _texts;

    /// <summary>Joins the user's texts and the released table.</summary>
    /// <param name="labels">The classifier's.</param>
    /// <param name="own">The user's texts and the labels they ask for.</param>
    /// <exception cref="ArgumentException">A text is empty, or the model lacks a label of the user's.</exception>
    public ActionPrompts(LabelTable labels, IReadOnlyDictionary<string, string> own)
    {
        foreach ((string text, string label) in own)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(text, nameof(own));
            _ = labels.Require(label, nameof(own));
        }

        _labels = labels;
        _texts =
        [
            .. own.OrderByDescending(pair => pair.Key.Length).ThenBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)),
            .. s_released,
        ];
    }

    /// <summary>Finds the label that a prompt asks for.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <returns>Its id; null: no text of the tables is in the prompt, or the model lacks the label of the first that is.</returns>
    public int? Find(string prompt) => _labels.Find(prompt) ?? (Label(prompt) is { } label ? _labels.Find(label) : null);

    /// <summary>Finds the label that a prompt asks for and that must be there.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="reward">The reward's name, for the error.</param>
    /// <returns>Its id.</returns>
    /// <exception cref="RewardContractException">None; the message names the prompt and the labels most like it.</exception>
    public int Require(string prompt, string reward) => Find(prompt) ?? throw new RewardContractException(
        $"Reward '{reward}' cannot tell which action the prompt '{Quotation.Shorten(prompt)}' asks for: " +
        (Label(prompt) is { } label
            ? $"it means '{label}', which the model does not know. "
            : "it is not a label of the model and holds no text of the table. ") +
        $"{_labels.DescribeNearest(Quotation.Shorten(prompt))} Give a text of the prompt and its label in " +
        $"{nameof(ActionClassificationOptions)}.{nameof(ActionClassificationOptions.Prompts)}, " +
        $"or one label for all prompts in {nameof(ActionClassificationOptions.Label)}.");

    private string? Label(string prompt) => Array.Find(_texts, pair => prompt.Contains(pair.Text, StringComparison.Ordinal)).Label;
}
